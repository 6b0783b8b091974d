#include "elf.hpp"

#include <elf.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>

namespace viaduct::testing {
namespace {

template <class T>
bool read_at(const std::string& bytes, std::uint64_t offset, T& value) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return false;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return true;
}

}  // namespace

std::optional<Exports> read_exports(const std::string& path, std::string& why) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  Elf64_Ehdr header{};
  const unsigned char order = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
  if (!read_at(bytes, 0, header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != order) {
    why = "not a 64-bit shared library of this machine";
    return std::nullopt;
  }
  Exports exports;
  for (unsigned i = 0; i < header.e_shnum; ++i) {
    Elf64_Shdr section{};
    Elf64_Shdr names{};
    if (!read_at(bytes, header.e_shoff + std::uint64_t{i} * sizeof section, section)) break;
    if (section.sh_type != SHT_DYNSYM) continue;
    if (section.sh_link >= header.e_shnum ||
        !read_at(bytes, header.e_shoff + std::uint64_t{section.sh_link} * sizeof names, names) ||
        names.sh_offset > bytes.size() || names.sh_size > bytes.size() - names.sh_offset) {
      break;
    }
    for (std::uint64_t at = 0; at + sizeof(Elf64_Sym) <= section.sh_size; at += sizeof(Elf64_Sym)) {
      Elf64_Sym symbol{};
      if (!read_at(bytes, section.sh_offset + at, symbol)) break;
      const unsigned bind = ELF64_ST_BIND(symbol.st_info);
      const unsigned visibility = ELF64_ST_VISIBILITY(symbol.st_other);
      if (symbol.st_shndx == SHN_UNDEF || symbol.st_shndx == SHN_ABS || bind == STB_LOCAL ||
          visibility == STV_HIDDEN || visibility == STV_INTERNAL ||
          symbol.st_name >= names.sh_size) {
        continue;
      }
      const std::string_view table(bytes.data() + names.sh_offset, names.sh_size);
      const std::string name(
          table.substr(symbol.st_name, table.find('\0', symbol.st_name) - symbol.st_name));
      exports.defined.push_back(name);
      if (bind == STB_GNU_UNIQUE) exports.unique.push_back(name);
    }
    return exports;
  }
  why = "it has no table of dynamic symbols";
  return std::nullopt;
}

}  // namespace viaduct::testing
