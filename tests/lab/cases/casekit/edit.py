"""Changes of a module's file, each a function that gives a function from Elf to None: the table chains them.

What a source would say in another way is changed in the file too: the same bytes come out as if it had been compiled so, in a millisecond."""
import struct

from . import elf as e

KLP_FUNC = {"old_name": 0, "new_func": 8, "sympos": 16}
KLP_OBJECT = {"name": 0, "funcs": 8}
KLP_PATCH = {"objs": 8, "states": 16, "replace": 24}
SLOTS = 3  # of funcs[] and objs[] in modules/cases_plain.c and its like; the last one stays the end


# --- what the livepatch says

def old_name(name, slot=0):
    return lambda elf: _point_to_text(elf, _slot(elf, "funcs", slot) + KLP_FUNC["old_name"], name)


def sympos(position, slot=0):
    return lambda elf: _number(elf, _slot(elf, "funcs", slot) + KLP_FUNC["sympos"], "<Q", position)


def also(name, slot=1, like=0):
    """One more function, with the same replacement."""
    def change(elf):
        old_name(name, slot)(elf)
        _point_as(elf, _slot(elf, "funcs", slot) + KLP_FUNC["new_func"], _slot(elf, "funcs", like) + KLP_FUNC["new_func"])
    return change


def without_pointer(field, array="funcs"):
    """A field that points nowhere: the source left it out."""
    fields = KLP_FUNC if array == "funcs" else KLP_OBJECT

    def change(elf):
        section, rows = _pointers(elf)
        at = _slot(elf, array, 0) + fields[field]
        section.relocations = [row for row in rows if row[0] != at]
    return change


def in_object(name, slot=0):
    return lambda elf: _point_to_text(elf, _slot(elf, "objs", slot) + KLP_OBJECT["name"], name)


def also_object(name, functions="funcs"):
    """One more object, with a table of functions."""
    def change(elf):
        in_object(name, 1)(elf)
        _point(elf, _slot(elf, "objs", 1) + KLP_OBJECT["funcs"], functions)
    return change


def other_name(name):
    """The function of the second table, which nothing refers to before also_object."""
    return lambda elf: _point_to_text(elf, elf.symbol("other_funcs").value + KLP_FUNC["old_name"], name)


def replace(elf):
    _number(elf, elf.symbol("patch").value + KLP_PATCH["replace"], "<B", 1)


def state(version):
    """The patch has state 1 in this version."""
    def change(elf):
        states = elf.symbol("states")
        _point(elf, elf.symbol("patch").value + KLP_PATCH["states"], "states")
        _number(elf, states.value, "<Q", 1)
        _number(elf, states.value + 8, "<I", version)
    return change


def _data(elf):
    return elf.sections[elf.symbol("funcs").section]


def _pointers(elf):
    section = elf.relocations_of(_data(elf))
    return section, section.relocations


def _slot(elf, array, slot):
    symbol = elf.symbol(array)
    return symbol.value + slot * (symbol.size // SLOTS)


def _number(elf, at, form, value):
    struct.pack_into(form, _data(elf).data, at, value)


def _point_to_text(elf, at, text):
    section, rows = _pointers(elf)
    strings = elf[".rodata.str1.1"]
    symbol = next(i for i, s in enumerate(elf.symbols) if s.info == 3 and elf.sections[s.section] is strings)
    row = [at, e.R_64, symbol, len(strings.data)]
    strings.data += text.encode() + b"\0"
    section.relocations = [*(old for old in rows if old[0] != at), row]


def _point(elf, at, name):
    """To a variable."""
    section, rows = _pointers(elf)
    section.relocations = [*rows, [at, e.R_64, elf.symbol_index(name), 0]]


def _point_as(elf, at, other):
    section, rows = _pointers(elf)
    section.relocations = [*rows, [at, *next(row for row in rows if row[0] == other)[1:]]]


# --- what the module says of itself

def named(name):
    """As if the source's file had had this name."""
    def change(elf):
        this = elf[".gnu.linkonce.this_module"].data
        old = modinfo_of(elf)["name"].encode()
        at = this.index(old + b"\0")
        this[at:at + 56] = name.encode().ljust(56, b"\0")
        modinfo(name=name)(elf)
    return change


def modinfo_of(elf):
    return dict(entry.decode().split("=", 1) for entry in bytes(elf[".modinfo"].data).split(b"\0") if b"=" in entry)


def modinfo(**fields):
    """Fields of .modinfo with other values; None takes one out."""
    def change(elf):
        entries = [entry.decode() for entry in bytes(elf[".modinfo"].data).split(b"\0") if entry]
        kept = [entry for entry in entries if entry.split("=", 1)[0] not in fields]
        elf[".modinfo"].data = bytearray("".join(f"{entry}\0" for entry in [*kept, *(f"{k}={v}" for k, v in fields.items() if v is not None)]).encode())
    return change


def vermagic(change_text):
    return lambda elf: modinfo(vermagic=change_text(modinfo_of(elf)["vermagic"]))(elf)


def crc_of(name, crc):
    """Another checksum for a symbol of __versions; None takes the entry out."""
    def change(elf):
        table = elf["__versions"]
        rows = [bytes(table.data[at:at + 64]) for at in range(0, len(table.data), 64)]
        wanted = next(row for row in rows if row[8:].rstrip(b"\0") == name.encode())
        rows[rows.index(wanted)] = b"" if crc is None else struct.pack("<Q", crc) + wanted[8:]
        table.data = bytearray(b"".join(rows))
    return change


def needs(name):
    """One more undefined symbol, which nothing refers to."""
    return lambda elf: elf.add_symbol(name) and None


def machine(number):
    return lambda elf: struct.pack_into("<H", elf.header, 18, number)


def without(section):
    return lambda elf: elf.drop(elf[section])


def without_symbol_table(elf):
    elf.symtab.type = e.PROGBITS


def memory(size):
    """As if the source had a variable of this size."""
    def change(elf):
        elf[".bss"].size = size
        elf[".bss"].align = 32
    return change


# --- what another converter does

def as_klp_build(elf):
    """objtool klp post-link keeps the list that it made the livepatch section of, and the relocations that the linker made, which do nothing any more."""
    section = klp_section(elf)
    target = elf.sections[section.info]
    ordinary = elf.relocations_of(target)
    # klp_reloc: the place, the symbol, the type
    moved = section.relocations
    listed = elf.add_section("__klp_relocs", target, b"".join(struct.pack("<QQQ", 0, 0, row[1]) for row in moved), flags=e.ALLOC, align=8)
    rows = elf.add_section(".rela__klp_relocs", ordinary, info=elf.index(listed))
    place = elf.symbol_index("patched_show")
    rows.relocations = [new for i, row in enumerate(moved) for new in ([24 * i, e.R_64, place, row[0]], [24 * i + 8, e.R_64, row[2], row[3]])]
    for row in moved:
        name = elf.symbols[row[2]].name.split(".", 4)[4].split(",")[0]
        ordinary.relocations = [*ordinary.relocations, [row[0], 0, elf.add_symbol(name, section=e.SHN_LIVEPATCH), row[3]]]


# --- what the converter should never do

def klp_section(elf):
    return next(section for section in elf.sections if section.flags & e.RELA_LIVEPATCH)


def section_named(name):
    def change(elf):
        klp_section(elf).name = name
    return change


def all_in_section_of(owner):
    """The livepatch sections of one target, whoever their symbols belong to, become one section of this object."""
    def change(elf):
        first, *others = [section for section in elf.sections if section.flags & e.RELA_LIVEPATCH]
        first.relocations = [row for section in (first, *others) for row in section.relocations]
        first.name = f".klp.rela.{owner}.{elf.sections[first.info].name}"
        for section in others:
            elf.drop(section)
    return change


def section_with(**fields):
    """Other fields of the section header; a function is given the old value."""
    def change(elf):
        section = klp_section(elf)
        for field, value in fields.items():
            setattr(section, field, value(getattr(section, field)) if callable(value) else value)
    return change


def relocation(**fields):
    """Other fields of the first relocation of the livepatch section."""
    places = {"offset": 0, "type": 1, "symbol": 2, "addend": 3}

    def change(elf):
        section = klp_section(elf)
        rows = section.relocations
        for field, value in fields.items():
            rows[0][places[field]] = value(elf) if callable(value) else value
        section.relocations = rows
    return change


def all_on(name):
    """Every relocation of the livepatch section is on this symbol."""
    def change(elf):
        section = klp_section(elf)
        section.relocations = [[offset, kind, elf.symbol_index(name), addend] for offset, kind, _, addend in section.relocations]
    return change


def symbol_as(**fields):
    """Other fields of the livepatch symbol that the first relocation is on."""
    def change(elf):
        symbol = elf.symbols[klp_section(elf).relocations[0][2]]
        for field, value in fields.items():
            setattr(symbol, field, value)
    return change


def back_to_ordinary(elf):
    """The relocations stand in the ordinary section, the symbols are left to the livepatch code."""
    section = klp_section(elf)
    target = elf.relocations_of(elf.sections[section.info])
    target.relocations = [*target.relocations, *section.relocations]
    elf.drop(section)


def target_bytes(value):
    """The place of the first relocation is not empty."""
    def change(elf):
        section = klp_section(elf)
        at = section.relocations[0][0]
        elf.sections[section.info].data[at:at + 4] = struct.pack("<I", value)
    return change
