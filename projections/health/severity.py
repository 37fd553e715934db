"""How bad a line sounds, from its level and its words alone, in [0, 1].

The one thing to know: words and weights are a judgement, written down once for all logs; nothing
here was learned from lines with labels. Three kinds of lines sound worse than they are and are
lowered: fields of a dump, what has mended itself, and what somebody asked for wrongly.
"""

import re
from typing import Final

from projections.health.masks import MASK

LEVELS: Final = {
    **dict.fromkeys(("emerg", "emergency", "panic", "alert", "crit", "critical", "fatal"), 0.9),
    **dict.fromkeys(("failure",), 0.9),
    **dict.fromkeys(("error", "err", "severe", "e"), 0.6),
    **dict.fromkeys(("warn", "warning", "w"), 0.3),
    **dict.fromkeys(("notice", "info", "information", "informational", "i"), 0.08),
    **dict.fromkeys(("debug", "trace", "fine", "finer", "finest", "verbose", "d", "v"), 0.04),
}
"""What a level says by itself; RFC 5424, Java, Python, glog and Android name them so."""
ALERT_SCORE: Final = 0.5
"""From here on a line is an alert; the middle of the scale, and no fitted number."""
NO_LEVEL: Final = 0.2
CALM_LEVEL: Final = 0.1
"""Up to here the writer of a line, who had other levels, called it harmless."""
CALM_WORDS_FACTOR: Final = 0.6
"""What words count for in such a line."""
GRAVE: Final = 0.8
FAILURE: Final = 0.5
FURTHER_FAILURE: Final = 0.1
MILD: Final = 0.15
FIELD_FACTOR: Final = 0.35
"""A register of a crash dump says nothing that the crash has not said."""
MENDED_FACTOR: Final = 0.4
ASKED_WRONGLY_FACTOR: Final = 0.5
"""A file that is not there, a wrong password: whoever asked was wrong, and the host was right."""

_GRAVE: Final = re.compile(
    r"\b(?:panic\w*|fatal\w*|catastroph\w*|corrupt\w*|uncorrect\w*|unrecover\w*|crash\w*|oops"
    r"|abort\w*|deadlock\w*|segfault\w*|segmentation fault|machine check|out of memory|oom"
    r"|i/o error|hardware error|power (?:fail|off|deactivat)\w*)\b"
)
_FAILURE: Final = re.compile(
    r"\b(?:\w*errors?|err|fail\w*|refus\w*|cannot|can ?not|can't|could not|couldn't|unable"
    r"|\w*exception\w*|unreachable|timed? ?out|denied|invalid|illegal|bad|missing|kill\w*"
    r"|not respond\w*|no response|down|broken|terminat\w*|unexpected\w*"
    r"|inconsisten\w*|not (?:found|available|functional|ready)|stall\w*|hung|lost|dead)\b"
)
_MILD: Final = re.compile(
    r"\b(?:warn\w*|retr(?:y|ies|ying)|slow\w*|degrad\w*|exceed\w*|throttl\w*|drop\w*|delay\w*)\b"
)
_MENDED: Final = re.compile(
    r"\b(?:corrected|recovered|restored|resolved|succe\w+|ok|no errors?|without errors?)\b"
)
_ASKED_WRONGLY: Final = re.compile(
    r"\b(?:no such file|permission denied|not permitted|invalid user|unknown user|user unknown"
    r"|authentication failures?|failed password|not authori[sz]ed|unauthori[sz]ed|forbidden)\b"
)
# `data cache......0`, `store operation: 0x1` of a register or address, `lr:0 cr:1`, `registers:`
_LEADER: Final = re.compile(r"\.{2,}\s*<\*>$")
_REGISTER: Final = re.compile(r"\b(?:registers?|address)(?: space)?\s*(?:[:=]\s*<\*>|:)$")
_FIELDS: Final = re.compile(r"(?:[a-z]\w{0,15}\s?[:=]\s?<\*>[,; ]*)+$")
# In small letters only where it stands by itself: an error is also a word of sentences.
_NAMED_LEVEL: Final = re.compile(
    r"(?:^|[\[<(| ])(EMERG|EMERGENCY|ALERT|CRIT|CRITICAL|FATAL|SEVERE|FAILURE|ERROR|ERR|WARN"
    r"|WARNING|NOTICE|INFO|DEBUG|TRACE)[\]>)|: ]"
    r"|[\[<(|](emerg|alert|crit|error|warn|warning|notice|info|debug)[\]>)|]"
    r"|\blevel=\"?(\w+)"
)
_LEVEL_WITHIN: Final = 120
"""Characters at whose beginning a level stands, in lines that have it in their text."""


def level_within(line: str) -> str:
    """The level that a line names near its beginning; empty where it names none."""
    found = _NAMED_LEVEL.search(line, 0, _LEVEL_WITHIN)
    return "" if found is None else found[1] or found[2] or found[3]


def severity(template: str, level: str) -> float:
    """How bad lines of this template sound at this level, in [0, 1]."""
    text = template.lower()
    of_level = LEVELS.get(level.strip().lower(), NO_LEVEL)
    of_words = _of_words(text)
    if of_level <= CALM_LEVEL:
        of_words *= CALM_WORDS_FACTOR
    found = 1.0 - (1.0 - of_level) * (1.0 - of_words)
    if _is_field(text):
        found *= FIELD_FACTOR
    if _MENDED.search(text):
        found *= MENDED_FACTOR
    if _ASKED_WRONGLY.search(text):
        found *= ASKED_WRONGLY_FACTOR
    return found


def _of_words(text: str) -> float:
    if _GRAVE.search(text):
        return GRAVE
    kinds = len(set(_FAILURE.findall(text)))
    if kinds:
        return min(GRAVE, FAILURE + FURTHER_FAILURE * (kinds - 1))
    return MILD if _MILD.search(text) else 0.0


def _is_field(text: str) -> bool:
    """Whether the line is a part of a dump: the name of a field, and its value."""
    if _LEADER.search(text) or _REGISTER.search(text):
        return True
    return MASK in text and _FIELDS.match(text) is not None
