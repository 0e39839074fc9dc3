"""The dataclasses that a checkpoint may hold; what is not among them cannot be read back."""

from __future__ import annotations

from kanrun.discovery.atoms import Factor
from kanrun.discovery.beam import Beam, Growth, Scored
from kanrun.discovery.findings import Findings
from kanrun.discovery.state import Doing, SearchState, SumsOfTerms, Tried
from kanrun.discovery.terms import Sum
from kanrun.discovery.trial import Discovered, Trial
from kanrun.pipeline.searching import Found
from kanrun.relations.relation import Relation, Tie
from kanrun.relations.rounds import Round
from kanrun.state import Relations, State
from kanrun.symbolic.boundary import Boundary
from kanrun.symbolic.decision import Decision
from kanrun.symbolic.formula import Formula
from kanrun.symbolic.front import Alternative, Other
from kanrun.symbolic.search import Symbolic
from kanrun.symbolic.uncertainty import Constant
from kanrun.training.history import Record
from kanrun.training.least_squares import Fit
from kanrun.training.loop import Training
from kanrun.training.train_state import Snapshot, TrainState

SAVED_TYPES: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        *(State, Relations, Relation, Tie, Round, Record, Formula, Alternative, Other, Decision, Boundary, Constant),
        *(Training, TrainState, Snapshot, Fit),
        *(
            SearchState,
            Doing,
            SumsOfTerms,
            Beam,
            Growth,
            Scored,
            Sum,
            Factor,
            Findings,
            Discovered,
            Found,
            Symbolic,
            Trial,
            Tried,
        ),
    )
}


def register_saved(kind: type) -> type:
    """Lets checkpoints hold a dataclass of another package. Raises ValueError where its name is taken."""
    if SAVED_TYPES.setdefault(kind.__name__, kind) is not kind:
        raise ValueError(f"checkpoints know another {kind.__name__}")
    return kind
