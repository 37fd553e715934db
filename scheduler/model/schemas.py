"""The published schemas: of everything that flumina writes to a log, name, version and hash.

The one thing to know: what stands in `PUBLISHED` is in logs that somebody keeps. An entry is never
changed and never removed. A new meaning is a new name; a changed shape is a new version (a higher
`RECORD_VERSION`, an upcaster in `codec`, a golden record) that is added beside the old one.

The hash is of a description of our own (`described`), not of any library's: field names in order,
types, tags, whether unknown fields are refused, and each default that a record leaves out, for that
is decided by whoever reads it. So it is the same for every version of Python and msgspec.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final, get_args

import msgspec
from msgspec import inspect

from scheduler.model.base import Ours
from scheduler.model.changes import Change
from scheduler.model.codec import RECORD_VERSION
from scheduler.model.events import CellEvent, CellRecord
from scheduler.model.inbound import InboundBody
from scheduler.model.mesos import MesosRecord

PUBLISHED: Final[Mapping[str, Mapping[int, str]]] = {
    "AcceptInverseOffers": {1: "b72ac2e6ba0d5f8c942ceddc6ff7c05c"},
    "AddressChanged": {1: "1672cd52be746cea1f5756399c337dcb"},
    "AlertAcknowledged": {1: "d859a05678f1d7543a1fd5171364450c"},
    "AlertsSilenced": {1: "9ff6d3bc146b228f3cb4c339d30bc095"},
    "AlertsUnsilenced": {1: "02f2805394a9127351f59b436b4e1987"},
    "CellContinued": {1: "d14750a03efd3daee50d848b9bc61508"},
    "CellCreated": {1: "8c798d8a25f291eb9e749af5f109856b"},
    "CellPaged": {1: "b3b8764dd9e105737f8e83064fe4d284"},
    "CellRecord": {1: "4adbf24b07b334bf83d291dad9d719bf"},
    "Checkpoint": {1: "1b53887c91039e9e2e7cefe4dd1e778b"},
    "CloudGroupGone": {1: "0d13b2dc3ba632ca200282a6a859d7d2"},
    "CloudGroupObserved": {1: "fbac328bd8a02d656603e8065af110d7"},
    "Copied": {1: "450a25bfe487677a5448956f07e3dd4f"},
    "DeclineInverseOffers": {1: "8b39b5c6dababd0d1075265080f65178"},
    "DeclineOffers": {1: "de6a006b01389345aec9256c373c3935"},
    "DeploymentAsked": {1: "86b1bb1c97615fb9193e864c5d49fe9a"},
    "DeploymentOrdered": {1: "35b5565c39dd2e70650d6d9383ee5080"},
    "EffectEnded": {1: "422c18897409c7f06b4c4c602a18392c"},
    "EffectStarted": {1: "efb241cb0b5d255999152c0f75771528"},
    "EvictionDecided": {1: "2562d82ded82d95f3d4d6a41d83dfd9a"},
    "FindingConfirmed": {1: "9a9943260aa254c04e9c20cee2b2bc0a"},
    "FindingRejected": {1: "e6d462a5eafae281d1e7cd2de1e0e50f"},
    "FleetAsked": {1: "2b246a2168838bf6be77fa23858bafc1"},
    "FleetChanged": {1: "aa1700470a427f6cad7f92d859b258c3"},
    "FoldVersion": {1: "82a2827afff55064a4f329893224a81c"},
    "GroupSizeAsked": {1: "da28d36e15b945a7893772b1dffb3cc9"},
    "HealingChanged": {1: "9b594b8f300cf8bddb76a15e094c0999"},
    "HealingOrdered": {1: "8327894ab63e61c962a4bd1b8de90d58"},
    "HoldsReleased": {1: "f52532ef1ddb75435ff1ec056a912866"},
    "HostFailed": {1: "cd9f7d53f1ae6d48ece52f4b10daf575"},
    "HostHealthChanged": {1: "cca40cafaf062fcde9e119b5fd1092fb"},
    "HostJudged": {1: "026626d6a87751d648adcd0e816549f3"},
    "HostMaintenanceChanged": {1: "d68ba7c553b8fc9e861deb46eafab658"},
    "HostMarked": {1: "9cf359ac791b642422b3a75192196ebf"},
    "HostNoiseMeasured": {1: "d1fde0b556977ad4ff90c7b94895ea16"},
    "HostOrdered": {1: "d37f290d53f60be8bcbed59a431470c7"},
    "HostProbed": {1: "e9525b3ac30186c3f25f652036a0c997"},
    "InboundLost": {1: "3ae6e0973a69b6bb118c58f0becf6357"},
    "InboundRejected": {1: "6430d3d372ee1204ae43c0671e684cdb"},
    "IncidentNoted": {1: "9a97471a6f4814cae1dcf4c53ed103fc"},
    "InstanceNetworkObserved": {1: "c006c6370a864e1de7899709458fb987"},
    "InstanceNoticed": {1: "1db0c05c7007bc5f08d31230a43e5810"},
    "InverseOfferRescinded": {1: "1b25571e138cd971e1bcfda9c1a8805e"},
    "InverseOffersReceived": {1: "1944edfd1d05af3b201e2e3a6b1811f0"},
    "JobAccepted": {1: "3a104adac943f96fe7b057a46c3e4074"},
    "JobAttributesAsked": {1: "011a0ef9d2b548055b26040d34cc4555"},
    "JobBudgetAsked": {1: "0da2b9bfefc8f99b0979e8cce4043e48"},
    "JobChanged": {1: "c2ecc9a4b06c051ba316aa2b94ba8411"},
    "JobCrashLooping": {1: "ccca0198d5bdbbc2739c4377b989a49b"},
    "JobEnabledAsked": {1: "569f123f2466c9438921e637a93a786b"},
    "JobKillAsked": {1: "21da02c64b1c9dfa244754f7c19274b9"},
    "JobProcessesAsked": {1: "c002934b67e980011340e9d80a6fdf58"},
    "JobRejected": {1: "39bbc223ba8a8fa0966e2ca3067e884d"},
    "JobScaleAsked": {1: "31fa45f75e705313c9dc0bbf3ed52178"},
    "JobScaled": {1: "92860c9332b175cc0fe15cab9053e9ff"},
    "JobSlaChanged": {1: "f2d8fd757db01f54e8659c79fbe0572e"},
    "JobSubmitted": {1: "ede0cf806c3ea964e46dc8cf09820d7c"},
    "JobUpdateAsked": {1: "357851ffac62600b076c210c506a55f0"},
    "JobUpdateOrdered": {1: "28056249ceb90fba47e5e675f6e4691e"},
    "KillTask": {1: "a5e2320de0abce646885e7d19260769f"},
    "LaunchTasks": {1: "70fa459b89a2fb9e9ef1c514865fef2f"},
    "LeaderDismissed": {1: "ff04d7376a45ba1d7f365b249a183bef"},
    "LeaderElected": {1: "15b524536a67a13d6c0e68b2a1cca49a"},
    "LoadBalancerAdded": {1: "4dbd8256748dce072f9fb17de73cf256"},
    "LoadBalancerRemoved": {1: "78fff419c11751770d143743e160b5e9"},
    "LoadBalancersChanged": {1: "0fe0002af2ebf6922340f7162f41e07f"},
    "Mark": {1: "1d001a04adba4883507b979ef2155f79"},
    "MemberLabelled": {1: "caca14b4651fa1572f07899ccfdebf2a"},
    "MetricObserved": {1: "11867b280df699e4bc7179a6ff87509b"},
    "OfferRescinded": {1: "745f2ddaa22a8ade3f0936f94cdf6b5b"},
    "OffersChanged": {1: "c2a348f3e19529dc5d1d3b8f6f2d135f"},
    "OffersReceived": {1: "24dc82f7eefebad2486cd94fc59d8a75"},
    "OrphanForgotten": {1: "3b75915d5f48d0ad4a61f492217bc6fe"},
    "OrphanGone": {1: "a2d27f48cbe0b64b41f5f0f97a0c1357"},
    "OrphanSeen": {1: "bae57c8dcc3db1510e4b746b59b56300"},
    "OwnerAlerted": {1: "97cf63da62ec9d2884bece2eac03e5df"},
    "PartitionBegan": {1: "2b2f2f85c42c6972a39c5cd664789fa6"},
    "PolicyAsked": {1: "84f73fdf51ee99bcb9062db5e3dbeb0f"},
    "PolicySet": {1: "fda8ddd86203f0ca072d99f07a18ace6"},
    "PreemptTask": {1: "a788c89f86bec46bcbbad8c0df25bfde"},
    "ProposalRefused": {1: "9a18b16de64e38853873bf78bc31c9b8"},
    "ReconcileAll": {1: "65fe472ff20d2896859f4725e4857554"},
    "ReconcileTasks": {1: "a8f7a984c5c64d6fa37dc280faa1cf4f"},
    "RecordSkipped": {1: "14e3eda463a7f7c96eec57fffd89133a"},
    "RegistryHealthNoted": {1: "3ddfe0a8a76f85e9a7c764333e261d0d"},
    "RelocationEnded": {1: "88ffe99b7b6b8921633283034228e77f"},
    "RelocationPlanned": {1: "377d404717470c395074db94b3e09d11"},
    "RequestAccepted": {1: "c996485de272c17b6a60f82a3f5607fd"},
    "ReviveOffers": {1: "a8883f7ec72d00f51319570879394ef0"},
    "RoundRecord": {1: "3d02068f845d1c96743649b4d30a7a65"},
    "RulesAsked": {1: "3e117f919bca398cbd06ae38fad3b98d"},
    "RulesChangeAsked": {1: "4f96c35abbb00b54640e1c1cdc0739fc"},
    "RunbooksAsked": {1: "31ca9b7dde0caa25e1881a17ed60d18e"},
    "SafeBegan": {1: "a75a3e3099d666f8031d65937c260265"},
    "SafeEnded": {1: "47264646b2813b24a856ccd8d1967b47"},
    "ScalingPolicyChanged": {1: "fb2b8a8713f3f9548aa9e543fd4af091"},
    "ScalingPolicyRemoved": {1: "2584eb7806e7e0502312bdd3c6e77f74"},
    "ScalingPolicySet": {1: "47278097f07791d2e78b3d2fcb52bce2"},
    "StatusUpdate": {1: "b52e6c722e1ea2de0e15833fae16daa3"},
    "StreamEnded": {1: "0f6ca6989851ff4523b29f2925b8f5d2"},
    "Subscribed": {1: "8f4cf1ae7d16643cd029bb52c81a25bc"},
    "SuppressOffers": {1: "babfb0a4cd3f85b327c80fc2f5c657c0"},
    "TaskAttributesAsked": {1: "f7b7bf24b3432fb0408996b256f79fc8"},
    "TaskChanged": {1: "d77ef78c49d4b0890e0415723015eaee"},
    "TaskEvictionAsked": {1: "8c84761eb7b1197a065cc82174529558"},
    "TaskKillAsked": {1: "65fba46689eeaa0f12ec008b5f6ac099"},
    "TaskMissed": {1: "9b2a4cc03d8d1a5b0b8ce7c2e7669300"},
    "TaskMoveAsked": {1: "9813293cf214d3816f71e565bedf9bbf"},
    "TaskSilent": {1: "772cd2fa6d268e7b4413f083130c5124"},
    "Tick": {1: "d8b4159c2f8f7597ec1a76d1e4c79f6f"},
    "TimeGapped": {1: "55592a837d06ab7726e81d8aafb77255"},
    "Unrecognised": {1: "3d34f8c13af2eb8d1d5d7a38ef09f89d"},
    "VolumeChanged": {1: "5f42f574ecab77c27677350b730fc8f5"},
    "VolumeMeasured": {1: "2a4f0b6615370880dee3c8914722ca55"},
    "VolumeOrdered": {1: "107055a56c004281edadc5719db588b8"},
    "VolumeWorkEnded": {1: "40b914e807a5cfaa76bb901dfb85e316"},
    "VolumeWorkStarted": {1: "c967bd66718d02f45b1ad2a9fa792cff"},
    "WarmPoolAsked": {1: "5fed62d3e328bab04337d6c8d3255e0d"},
    "WarmPoolChanged": {1: "03007c3f3c5eeebd8cfdc6440f000980"},
    "WarmPoolObserved": {1: "c17daabb8907e8c19e96602bc16d30f4"},
    "WebhookNoted": {1: "37512f6a0cf486694e7d2c75dafd85e0"},
    "WebhookPaused": {1: "aa168db5d1db7b6e2a8764b3b15e898e"},
    "WebhookRemoved": {1: "c1028adb666d94d8accf7a79e1e53665"},
    "WebhookSet": {1: "4c46d02e415f54d4eed03b4bbddc28da"},
    "WebhookTested": {1: "d6b030e9c8d5ee57f7cc1c76e87cc649"},
}
"""Name, version, hash."""

_UNIONS: Final[Mapping[str, Any]] = {
    "cell event": CellEvent,
    "inbound body": InboundBody,
    "mesos record": MesosRecord,
    "change": Change,
}
"""These grow by new names, which is no change of whatever holds them."""

_MEMBERS: Final[Mapping[frozenset[type], str]] = {
    frozenset(get_args(union)): name for name, union in _UNIONS.items()
}


def published_types() -> dict[str, type[msgspec.Struct]]:
    """All types that this build writes to a log, by their names there, sorted."""
    found: dict[str, type[msgspec.Struct]] = {CellRecord.__name__: CellRecord}
    for union in _UNIONS.values():
        for kind in get_args(union):
            assert found.setdefault(kind.__name__, kind) is kind, f"two types {kind.__name__}"
    return dict(sorted(found.items()))


def schema_hash(kind: type[msgspec.Struct]) -> str:
    """The name of a type's shape: 16 bytes of BLAKE2b over its description, in hex."""
    return blake2b(described(kind).encode(), digest_size=16).hexdigest()


def described(kind: type[msgspec.Struct]) -> str:
    """A type's shape as one line of text, its inner types written out."""
    return _type(inspect.type_info(kind))


def faults(
    published: Mapping[str, Mapping[int, str]] = PUBLISHED, version: int = RECORD_VERSION
) -> list[str]:
    """What is wrong between this build and what was published, and what to do; empty if nothing."""
    types = published_types()
    found = [
        f"{name} is published and gone; old logs hold it, so put it back"
        for name in sorted(published.keys() - types.keys())
    ]
    for name, kind in types.items():
        known, now = published.get(name, {}), schema_hash(kind)
        if not known:
            found.append(f'{name} is new; publish it: "{name}": {{{version}: "{now}"}}')
        elif max(known) > version:
            found.append(f"{name} has version {max(known)}, above RECORD_VERSION {version}")
        elif known[max(known)] != now:
            found.append(
                f"{name} differs from its published version {max(known)}. A published schema may "
                "not change: undo it, or give the new meaning a new event name, or raise "
                "RECORD_VERSION with an upcaster and a golden record, and add "
                f'{version + (max(known) == version)}: "{now}" beside the old. It is now: '
                f"{described(kind)}"
            )
    return found


def _type(info: inspect.Type) -> str:
    match info:
        case inspect.StructType():
            return _struct(info)
        case inspect.UnionType():
            return _union(info)
        case inspect.LiteralType():
            return "|".join(sorted(map(_value, info.values)))
        case inspect.VarTupleType() | inspect.ListType():  # Lists stand in states only.
            return f"[{_type(info.item_type)}...]"
        case inspect.TupleType():
            return f"[{','.join(map(_type, info.item_types))}]"
        case inspect.DictType():
            return f"{{{_type(info.key_type)}:{_type(info.value_type)}}}"
        case _:
            return _SIMPLE[type(info)]


_SIMPLE: Final[Mapping[type[inspect.Type], str]] = {
    inspect.IntType: "int",
    inspect.StrType: "str",
    inspect.BoolType: "bool",
    inspect.NoneType: "null",
}
"""Nothing else may stand in a record: a float, for one, has no place in a digest."""


def _struct(info: inspect.StructType) -> str:
    is_left_out = info.cls.__struct_config__.omit_defaults and not info.array_like
    fields = ";".join(
        f"{each.encode_name}:{_type(each.type)}{_default(each, is_left_out=is_left_out)}"
        for each in info.fields
    )
    tag = "" if info.tag is None else f"{info.tag_field}={info.tag!s} "
    shape = "array" if info.array_like else "object"
    manner = "closed" if info.forbid_unknown_fields else "open"
    return f"{manner} {shape} {tag}({fields})"


def _union(info: inspect.UnionType) -> str:
    members = {each.cls for each in info.types if isinstance(each, inspect.StructType)}
    name = _MEMBERS.get(frozenset(members))
    if name is not None and len(members) == len(info.types):
        return f"<{name}>"
    return "|".join(sorted(map(_type, info.types)))


def _default(field: inspect.Field, *, is_left_out: bool) -> str:
    if field.required:
        return ""
    return f"={_value(field.default)}" if is_left_out else "?"


def _value(value: object) -> str:
    """A default or a literal as text; only what a record can hold."""
    if value == ():
        return "[]"
    is_plain = value is None or isinstance(value, str | int)
    assert is_plain or isinstance(value, Ours), f"{value!r} cannot be a default here"
    return msgspec.json.encode(value).decode()
