"""klpconv: makes a livepatch of a module that kbuild linked with undefined symbols, as Documentation/livepatch/module-elf-format has it.

A symbol that modules cannot link to is left to the kernel's livepatch code: it becomes `.klp.sym.OBJECT.NAME,POSITION` in a section
number of its own, and the relocations on it move to `.klp.rela.OBJECT.SECTION`, which the kernel applies when OBJECT is there."""
from .elf import ALLOC, INFO_LINK, RELA, RELA_LIVEPATCH, SHN_LIVEPATCH

VMLINUX = "vmlinux"


def convert(elf, wanted):
    """wanted: name in the file -> (object, name there, position; 0 for a name that is unique there)."""
    objects = {}
    for name, (owner, real, position) in wanted.items():
        index = elf.symbol_index(name)
        symbol = elf.symbols[index]
        symbol.name, symbol.section = f".klp.sym.{owner}.{real},{position}", SHN_LIVEPATCH
        objects[index] = owner
    for section in elf.sections[:]:
        if section.type != RELA or not elf.sections[section.info].flags & ALLOC:
            continue
        rows = section.relocations
        for owner in sorted({objects[row[2]] for row in rows if row[2] in objects}):
            name = f".klp.rela.{owner}.{elf.sections[section.info].name}"
            moved = elf.add_section(name, section, flags=ALLOC | INFO_LINK | RELA_LIVEPATCH, align=8, entry=24)
            moved.relocations = [row for row in rows if objects.get(row[2]) == owner]
        section.relocations = [row for row in rows if row[2] not in objects]
    return elf
