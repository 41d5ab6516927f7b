"""What a case is: a module, the host it meets, and the kernel's answer that was seen."""
from dataclasses import dataclass, field

PERMISSIVE = ("6.12", "6.1")
SECURE = ("6.12 SB", "6.1 SB")
ALL = PERMISSIVE + SECURE


# --- the kernel's answers: may_load where preflight must not refuse

@dataclass(frozen=True)
class Runs:
    """It loads, the transition ends, and the call says this. note is for the table: what the kernel overlooked on the way."""
    says: str = "patched by cases"
    note: str = ""
    may_load = True

    def __str__(self):
        return f"runs: {self.note}" if self.note else "runs"


@dataclass(frozen=True)
class Refused:
    """finit_module fails with this errno, and the kernel's log has this text (a part of a line; {name} is the module's)."""
    errno: str
    log: str = ""
    may_load = False

    def __str__(self):
        return f"{self.errno}: {self.log}" if self.log else self.errno


@dataclass(frozen=True)
class Crashes:
    """The kernel takes it and faults: 'load' inside finit_module, 'call' at the first call, 'object' when the patched module arrives."""
    when: str
    may_load = False

    def __str__(self):
        return {"load": "Oops inside finit_module", "call": "takes it; Oops at the first call",
                "object": "takes it; Oops when the patched module is loaded"}[self.when]


@dataclass(frozen=True)
class Spoils:
    """The kernel takes it, and from then on refuses the module that it patches."""
    errno: str
    log: str
    may_load = False

    def __str__(self):
        return f"takes it; then refuses cases_target: {self.errno}: {self.log}"


@dataclass(frozen=True)
class Misleads:
    """The kernel takes it because it does not look, and it does not run well: the call says this, and it may crash as it goes ('after')."""
    says: str
    why: str
    crash: str = ""
    may_load = False

    def __str__(self):
        return f"takes it: {self.why}"


# --- the case

@dataclass(frozen=True)
class Case:
    name: str
    module: str  # of modules/, without .c
    kernel: object  # an answer, or {environment or series: answer, "": the others'}
    check: str = ""  # of preflight, which refuses; "a|b" where either tells the reason
    edits: tuple = ()
    needs: dict = field(default_factory=dict)  # for the converter
    file: object = None  # bytes -> bytes, the last change
    sign: str = "mok"  # by whom; "" for nobody. What the host under Secure Boot trusts is not signed for a permissive one
    before: str = ""  # shell, on the host; functions of guest/cases.sh
    call: str = "cat /proc/cmdline"
    after: str = ""
    where: tuple = ()  # the hosts; when empty, all, and what hurts its host the permissive ones alone
    untold: bool = False  # nothing that the host shows can tell: preflight has to say that. The page names these rows
    taints: bool = False  # the kernel, for the cases after it: it comes last
    spoils: bool = False  # what is done to the host cannot be undone
    revoked: str = ""  # what the host's firmware has in its list: this file, or its signer
    built_for: str = ""  # "other": the other kernel series

    def __post_init__(self):
        if not self.where:
            object.__setattr__(self, "where", PERMISSIVE if any(self.hurts(environment) for environment in ALL) else ALL)

    def hurts(self, environment):
        """The host is no good for another case."""
        return self.spoils or bool(self.revoked) or isinstance(self.answer(environment), (Crashes, Misleads))

    def answer(self, environment):
        if not isinstance(self.kernel, dict):
            return self.kernel
        series = environment.split()[0]
        return self.kernel.get(environment) or self.kernel.get(series) or self.kernel[""]
