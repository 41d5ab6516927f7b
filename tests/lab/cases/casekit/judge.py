"""Whether a case went as its row says, and whether preflight and the kernel agree."""
import json
import re

from .case import Crashes, Misleads, Refused, Runs, Spoils

REFUSED, TOLD = "refused", ("ok", "warning", "cannot-tell", "refused")


def kernel_faults(case, name, environment, seen):
    """What the kernel did otherwise than the row says; none when all is so."""
    answer, log = case.answer(environment), "\n".join(seen.log)
    if isinstance(answer, Misleads):
        good = (seen.load, seen.crash) == ("0", answer.crash) and answer.says in seen.call
        return [] if good else [f"expected the kernel to take it and the call to say '{answer.says}', saw {_shown(seen)}"]
    if seen.failed:
        return seen.failed
    if not (seen.ended or seen.crash):
        return ["the case did not come to its end"]
    match answer:
        case Crashes(when):
            expected = {"load": "load", "call": "call", "object": "call"}[when]
            return [] if seen.crash == expected else [f"expected an Oops at {expected}, saw {_shown(seen)}"]
        case _ if seen.crash:
            return [f"crashed at {seen.crash}: {seen.fault}"]
        case Refused(errno, text):
            wrong = [] if seen.load == errno else [f"expected {errno}, saw {_shown(seen)}"]
            text = text.replace("{name}", name)
            return wrong + ([] if text in log else [f"not in the kernel's log: {text}; it has: {log or 'nothing'}"])
        case Spoils(errno, text):
            spoiled = seen.load == "0" and seen.call.startswith(f"cases_target: {errno}\n")
            wrong = [] if spoiled else [f"expected cases_target refused with {errno}, saw {_shown(seen)}"]
            return wrong + ([] if text in log else [f"not in the kernel's log: {text}; it has: {log or 'nothing'}"])
        case Runs(says, _):
            return [] if seen.load == "0" and says in seen.call else [f"expected it to run and say '{says}', saw {_shown(seen)}; the kernel's log: {log or 'nothing'}"]
    raise AssertionError(f"no rule for {answer}")


def preflight_faults(case, environment, seen):
    """Where preflight and the kernel do not agree: a verdict, or the reason."""
    if not seen.preflight:
        return ["preflight said nothing"]
    try:
        verdict, refusing = verdict_of(seen)
    except (ValueError, KeyError, TypeError):
        return [f"preflight's report cannot be read: {seen.preflight[:300]}"]
    if verdict not in TOLD:
        return [f"preflight's verdict is {verdict}"]
    if seen.preflight_status != (1 if verdict == REFUSED else 0):
        return [f"preflight says {verdict} and ends with status {seen.preflight_status}"]
    if case.answer(environment).may_load:
        return [f"preflight refuses what runs: {_told(seen)}"] if verdict == REFUSED else []
    if case.untold and verdict != REFUSED:
        says = outcomes(seen, case.check)
        return [] if "cannot-tell" in says else [f"preflight's {case.check} says {', '.join(sorted(says)) or 'nothing'}, where it cannot know"]
    if verdict != REFUSED:
        return [f"preflight says {verdict}, not refused"]
    return [] if refusing & set(case.check.split("|")) else [f"preflight refuses for another reason than {case.check}: {_told(seen)}"]


def verdict_of(seen):
    """The verdict and the names of the checks that have it."""
    report = json.loads(seen.preflight)
    verdict = report["verdict"]
    return verdict, {check["check"] for check in report["checks"] if check["outcome"] == verdict}


def outcomes(seen, checks):
    """What these checks ("a|b") say."""
    return {check["outcome"] for check in json.loads(seen.preflight)["checks"] if check["check"] in checks.split("|")}


def cell(seen):
    """Preflight's cell of the table: the verdict and what says so."""
    verdict, checks = verdict_of(seen)
    return verdict if verdict == "ok" else f"{verdict}: {', '.join(f'`{name}`' for name in sorted(checks))}"


def _told(seen):
    report = json.loads(seen.preflight)
    return "; ".join(f"{check['check']}: {check.get('found', '')}" for check in report["checks"] if check["outcome"] == report["verdict"])


def _shown(seen):
    if seen.crash:
        return f"a crash at {seen.crash}: {seen.fault}"
    said = re.sub(r"\s+", " ", seen.call)
    return f"{seen.load or 'nothing'}{f', then: {said}' if said else ''}"
