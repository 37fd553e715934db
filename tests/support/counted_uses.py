"""A cell in memory whose ingest goes back to the watermark, and whose uses of offers are counted.

What is used twice, or read twice, shows here whatever the fold itself believes.
"""

from collections import defaultdict

from scheduler.model.events import CellEvent, Copied, EffectEnded, EffectStarted
from scheduler.model.ids import OfferId, ProposalId
from scheduler.model.policy import Policy
from scheduler.state import Decision
from tests.support.cell import CellInMemory


class Watched(CellInMemory):
    """A cell whose ingest goes back to the watermark, and whose uses of offers are counted."""

    def __init__(self, policy: Policy) -> None:
        self.proposal_ids: list[ProposalId] = [ProposalId("0.0")]
        self.copied: list[Copied] = []
        self.uses: dict[OfferId, set[ProposalId]] = defaultdict(set)
        super().__init__(policy)

    def write(self, *events: CellEvent, epoch: int | None = None) -> int:
        """Append one record and fold it; its offset."""
        before = dict(self.state.decisions)
        offset = super().write(*events, epoch=epoch)
        self.copied += [each for each in events if isinstance(each, Copied)]
        self.proposal_ids += [each for each in self.state.decisions if each not in before]
        self._count_uses(events, before)
        for topic in list(self.inbound):
            mark = self.state.watermarks.get((topic, 0))
            if mark is None:
                del self.inbound[topic]
            else:
                self.inbound[topic] = mark.offset
        return offset

    def _count_uses(
        self, events: tuple[CellEvent, ...], before: dict[ProposalId, Decision]
    ) -> None:
        for event in events:
            if not isinstance(event, EffectStarted | EffectEnded):
                continue
            decision = before.get(event.proposal_id)
            after = self.state.decisions.get(event.proposal_id)
            for held in decision.offers if decision else ():
                if isinstance(event, EffectStarted) and after is not None and after.is_started:
                    self.uses[held.offer_id].add(event.proposal_id)
                elif isinstance(event, EffectEnded) and event.fate == "refused" and after is None:
                    self.uses[held.offer_id].discard(event.proposal_id)
