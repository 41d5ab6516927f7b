"""An ELF64 relocatable file, little-endian, as lists that can be changed and written again. Nothing is checked: it is there to make
faulty files as well as good ones."""
import struct

PROGBITS, SYMTAB, STRTAB, RELA, NOBITS = 1, 2, 3, 4, 8
WRITE, ALLOC, EXECUTE, INFO_LINK, RELA_LIVEPATCH = 1, 2, 4, 0x40, 0x0010_0000
SHN_UNDEF, SHN_ABS, SHN_LIVEPATCH = 0, 0xFFF1, 0xFF20
R_64, R_PC32, R_PLT32 = 1, 2, 4
RELOCATION = struct.Struct("<QIIq")  # offset, type, symbol, addend
SYMBOL = struct.Struct("<IBBHQQ")


class Section:
    def __init__(self, name, row, data):
        self.name = name
        (_, self.type, self.flags, self.address, _, self.size, self.link, self.info, self.align, self.entry) = row
        self.data = data

    @property
    def relocations(self):
        """[offset, type, symbol, addend] each; assign the list to change the section."""
        return [list(row) for row in RELOCATION.iter_unpack(bytes(self.data))]

    @relocations.setter
    def relocations(self, rows):
        self.data = bytearray(b"".join(RELOCATION.pack(*row) for row in rows))


class Symbol:
    def __init__(self, name, info, other, section, value, size):
        self.name, self.info, self.other, self.section, self.value, self.size = name, info, other, section, value, size


class Elf:
    def __init__(self, content):
        self.header = bytearray(content[:64])
        at, count, names = struct.unpack_from("<Q", content, 40)[0], *struct.unpack_from("<HH", content, 60)
        rows = [struct.unpack_from("<IIQQQQIIQQ", content, at + 64 * i) for i in range(count)]
        table = content[rows[names][4]:][:rows[names][5]]
        self.sections = [Section(_text(table, row[0]), row, bytearray(b"" if row[1] in (0, NOBITS) else content[row[4]:row[4] + row[5]])) for row in rows]
        self.symtab = next(section for section in self.sections if section.type == SYMTAB)
        self._strtab = self.sections[self.symtab.link]
        self.symbols = [Symbol(_text(self._strtab.data, row[0]), *row[1:]) for row in SYMBOL.iter_unpack(bytes(self.symtab.data))]

    def __getitem__(self, name):
        """The section of this name."""
        return next(section for section in self.sections if section.name == name)

    def index(self, section):
        return self.sections.index(section)

    def symbol(self, name):
        return next(symbol for symbol in self.symbols if symbol.name == name)

    def symbol_index(self, name):
        return self.symbols.index(self.symbol(name))

    def add_symbol(self, name, info=0x10, section=SHN_UNDEF, value=0, size=0):
        """A global one by default; its index."""
        self.symbols.append(Symbol(name, info, 0, section, value, size))
        return len(self.symbols) - 1

    def relocations_of(self, section):
        """The ordinary relocation section of a section."""
        return next(found for found in self.sections if found.type == RELA and found.info == self.index(section) and not found.flags & RELA_LIVEPATCH)

    def add_section(self, name, like, data=b"", **fields):
        section = Section(name, (0, like.type, like.flags, 0, 0, 0, like.link, like.info, like.align, like.entry), bytearray(data))
        for field, value in fields.items():
            setattr(section, field, value)
        self.sections.append(section)
        return section

    def drop(self, section):
        """What was this section becomes one of no meaning: no other's number changes."""
        section.type, section.flags, section.name, section.data, section.info = PROGBITS, 0, ".dropped", bytearray(), 0

    def written(self):
        strings = _Strings()
        self.symtab.data = bytearray(b"".join(SYMBOL.pack(strings.at(s.name), s.info, s.other, s.section, s.value, s.size) for s in self.symbols))
        self._strtab.data = strings.data
        names = _Strings()
        offsets = [names.at(section.name) for section in self.sections]
        table_names = self.sections[struct.unpack_from("<H", self.header, 62)[0]]
        table_names.data = names.data
        content, rows = bytearray(self.header), []
        for name, section in zip(offsets, self.sections):
            content += bytes(-len(content) % max(1, min(section.align, 64)))
            if section.type not in (0, NOBITS):
                section.size = len(section.data)
            rows.append(struct.pack("<IIQQQQIIQQ", name, section.type, section.flags, section.address, len(content) if section.type else 0, section.size,
                                    section.link, section.info, section.align, section.entry))
            content += section.data
        content += bytes(-len(content) % 8)
        struct.pack_into("<Q", content, 40, len(content))
        struct.pack_into("<H", content, 60, len(rows))
        return bytes(content) + b"".join(rows)


class _Strings:
    """A string table that grows."""

    def __init__(self):
        self.data, self._known = bytearray(b"\0"), {"": 0}

    def at(self, text):
        if text not in self._known:
            self._known[text] = len(self.data)
            self.data += text.encode() + b"\0"
        return self._known[text]


def _text(table, at):
    return bytes(table[at:table.index(0, at)]).decode()
