from __future__ import annotations

import platform
import subprocess
import sys

import pytest

ROUNDS = 50
PROGRAM = f"""
import resource
import torch
from kanrun.model.network import KAN
model = KAN([2, 1])
tensors = [torch.zeros(2**18) for _ in range(3)]
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range({ROUNDS}):
    del tensors
    tensors = [torch.zeros(2**18) for _ in range(3)]
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives memory back so eagerly")
def test_large_tensors_of_every_step_take_the_memory_of_the_last() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    page_faults = int(done.stdout)
    assert page_faults < 100 * ROUNDS  # 768 pages of 4 KiB a round where they are mapped anew
