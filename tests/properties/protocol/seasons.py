"""For each rule of the protocol: the weather in which its absence shows.

The one thing to know: a season narrows which faults are drawn, never what must hold; the unbroken
protocol is run through every one of them as well.
"""

from __future__ import annotations

from .machine import Season

HELD = ("hold", "pause")
GOES_ON = ("resume", "wait")
TAKEOVER = ("takeover",)
WAIT = ("wait",)
ALWAYS = (True,)
NEVER = (False,)
KILLS = ("kills", "kills", "submits")

SEASONS: dict[tuple[str, ...], Season] = {
    ("gap_check",): Season(points=("Copy",), faults=("twice", "ghost", "hold")),
    ("epochs_obeyed",): Season(
        points=("LaunchTask", "Copy"), faults=HELD, sequels=TAKEOVER, afters=(6, 9), lates=ALWAYS
    ),
    ("preconditions_checked",): Season(points=("LaunchTask",), faults=("twice",)),
    ("start_needs_standing_proposal",): Season(
        points=("EffectStarted",), faults=HELD, sequels=GOES_ON, users=KILLS
    ),
    ("offer_comes_back",): Season(
        points=("EffectStarted",), faults=HELD, sequels=GOES_ON, users=KILLS, lates=ALWAYS
    ),
    ("open_accept_blocks_calls",): Season(
        points=("ACCEPT",),
        faults=("hold",),
        sequels=WAIT,
        users=KILLS,
        mishaps=("resend",),
        afters=(4, 6, 8, 9, 10, 12, 14),
        lates=ALWAYS,
    ),
    ("open_accept_blocks_calls", "fate_needs_fence"): Season(
        points=("ACCEPT",),
        faults=("hold",),
        sequels=WAIT,
        users=KILLS,
        mishaps=("resend",),
        afters=(14, 25),
        lates=ALWAYS,
    ),
    ("stale_streams_ignored",): Season(
        points=("Offered", "Status"),
        faults=HELD,
        sequels=TAKEOVER,
        mishaps=("die",),
        afters=(50,),
        lates=ALWAYS,
    ),
    ("stale_endings_kept",): Season(
        points=("SUBSCRIBE",),
        faults=HELD,
        sequels=TAKEOVER,
        mishaps=("finish",),
        moments=("late",),
        afters=(50,),
        lates=ALWAYS,
        orders=ALWAYS,
    ),
    ("silence_waits",): Season(points=("ACCEPT",), faults=HELD, sequels=WAIT, lates=NEVER),
    ("judged_on_current_stream",): Season(
        points=("Status",),
        faults=("hold",),
        sequels=("wait", "takeover"),
        successors=ALWAYS,
        mishaps=("lose", "return"),
        moments=("first", "before"),
        users=("nothing",),
        befores=(0,),
        afters=(25, 50),
        lates=NEVER,
        ticks=(2,),
    ),
    ("returned_are_killed",): Season(
        sequels=WAIT, mishaps=("lose", "return"), moments=("first", "after"), ticks=(4,)
    ),
    ("refusal_suspends",): Season(mishaps=("fail over",), sequels=WAIT),
    ("election_of_this_life",): Season(sequels=("reboot",)),
    ("read_back_before_act",): Season(
        points=("EffectStarted",),
        faults=HELD,
        sequels=TAKEOVER,
        befores=(25, 50),
        afters=(1, 2, 3),
        lates=ALWAYS,
        orders=ALWAYS,
    ),
    ("subscribed_event_awaited",): Season(),
    ("accept_sent_once",): Season(
        points=("ACCEPT",), faults=("deaf", "ghost"), sequels=WAIT, afters=(6, 9, 14, 25)
    ),
    ("timeout_resubscribes",): Season(points=("ACCEPT",), faults=("lose",), sequels=GOES_ON),
    ("ack_after_record",): Season(points=("Status",), faults=("hold",), sequels=GOES_ON),
    ("lane_failure_resubscribes",): Season(
        points=("Offered", "Status"), faults=("lose",), sequels=GOES_ON
    ),
    ("ingest_seeks_back",): Season(points=("Copy",), faults=("lose", "ghost"), sequels=WAIT),
    ("ingest_from_watermark",): Season(),
    ("failed_write_ends_epoch",): Season(faults=("lose",), sequels=GOES_ON),
    ("one_round_outstanding",): Season(points=("LaunchTask",), faults=("hold",), sequels=WAIT),
    ("reconciles_all",): Season(sequels=("restart", "takeover"), mishaps=("die", "lose")),
    ("reconciles_implicitly",): Season(
        faults=("twice",),
        sequels=("wait", "restart"),
        mishaps=("lose", "return"),
        moments=("first", "before"),
        befores=(0,),
        afters=(25, 50),
        ticks=(4,),
    ),
    ("silent_asked_again",): Season(
        faults=("twice",),
        sequels=WAIT,
        mishaps=("fail over", "forget"),
        moments=("after",),
        befores=(0,),
        lates=NEVER,
        ticks=(1, 2),
    ),
}

BACKED: dict[tuple[str, ...], Season] = {
    ("unstarted_requeued",): Season(
        points=("EffectStarted", "LaunchTask"), faults=HELD, sequels=("takeover", "restart")
    ),
    ("fate_needs_fence",): Season(points=("ACCEPT",), faults=("hold", "ghost"), sequels=GOES_ON),
    ("decides_after_subscribed",): Season(sequels=TAKEOVER),
}
"""Rules whose absence alone was not seen to break a promise: another rule stands behind each."""
