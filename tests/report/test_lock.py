from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kanrun.errors import KanrunError
from kanrun.report.lock import NAME, held, in_use

HOLD = "import sys; from pathlib import Path; from kanrun.report.lock import held\nwith held(Path(sys.argv[1])):\n"


def test_a_folder_is_held_by_one_run_at_a_time(tmp_path: Path) -> None:
    assert not in_use(tmp_path)
    with held(tmp_path):
        assert in_use(tmp_path)
        with pytest.raises(KanrunError, match="another run is going on in this folder"), held(tmp_path):
            pytest.fail("held twice")
        assert in_use(tmp_path)  # nobody who asked has taken it away
    assert not in_use(tmp_path)
    with held(tmp_path):
        pass


def test_a_failure_lets_it_go_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="planted"), held(tmp_path):
        raise ValueError("planted")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_nobody_holds_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("")
    assert not in_use(tmp_path)


def test_another_process_holds_it_until_it_is_gone_however_it_ends(tmp_path: Path) -> None:
    code = HOLD + "    print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        assert in_use(tmp_path)
        other.kill()
        other.wait()
        assert not in_use(tmp_path)
