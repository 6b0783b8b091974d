#!/usr/bin/env python3
"""Freezes the present abi.h as released: frozen/abi_X_Y.h and layout_X_Y.inc, with all that it declares.

usage: tests/abi/freeze.py      (needs clang++-19; then include the new record in layout_test.cpp and layout_test.c)
       tests/abi/freeze.py --check      (only says whether abi.h still is what was frozen, but for its comments)
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

here = pathlib.Path(__file__).resolve().parent
include = here.parent.parent / "sdk" / "include"
compiler = ["clang++-19", "-std=c++20", f"-I{include}"]


def declarations(source):
    ast = json.loads(subprocess.run([*compiler, "-Xclang", "-ast-dump=json", "-fsyntax-only", source],
                                    capture_output=True, text=True, check=True).stdout)
    structs, numbers = [], []

    def walk(node):
        kind = node.get("kind")
        inner = node.get("inner", [])
        if kind == "CXXRecordDecl" and node.get("completeDefinition") and node.get("name", "").startswith("viaduct_"):
            structs.append((node["name"], [(field["name"], field["type"]["qualType"]) for field in inner
                                           if field["kind"] == "FieldDecl"]))
        elif kind == "EnumDecl":
            numbers.extend(one["name"] for one in inner if one.get("name", "").startswith("VIADUCT_"))
        elif kind in ("TranslationUnitDecl", "LinkageSpecDecl"):
            for child in inner:
                walk(child)

    walk(ast)
    return structs, numbers


def code(text):
    return re.sub(r"\s+", " ", re.sub(r"/\*.*?\*/", " ", text, flags=re.S)).strip()


def main():
    if len(sys.argv) > 1 and sys.argv[1:] != ["--check"]:
        print(__doc__)
        return 0 if sys.argv[1] in ("-h", "--help") else 2
    text = (include / "viaduct" / "abi.h").read_text()
    major, minor = (re.search(rf"#define VIADUCT_ABI_{part} (\d+)", text)[1] for part in ("MAJOR", "MINOR"))
    frozen = here / "frozen" / f"abi_{major}_{minor}.h"
    if len(sys.argv) > 1:
        if frozen.exists() and code(frozen.read_text()) == code(text):
            return 0
        print(f"abi.h is not what {frozen.name} is: what was released never changes; what is new takes the next minor")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "record.cpp"
        source.write_text("#include <viaduct/abi.h>\n")
        structs, numbers = declarations(source)
        lines = []
        for name, fields in structs:
            lines.append(f'printf("VIADUCT_STRUCT({name}, %zu)\\n", sizeof({name}));')
            for member, kind in fields:
                lines.append(f'printf("VIADUCT_FIELD({name}, {member}, %zu, {kind})\\n", offsetof({name}, {member}));')
        for name in numbers:
            lines.append(f'printf("VIADUCT_NUMBER({name}, %lld)\\n", static_cast<long long>({name}));')
        source.write_text("#include <viaduct/abi.h>\n#include <cstdio>\nint main() {\n" + "\n".join(lines) + "\n}\n")
        program = pathlib.Path(folder) / "record"
        subprocess.run([*compiler, source, "-o", program], check=True)
        record = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    (here / f"layout_{major}_{minor}.inc").write_text(
        f"// ABI {major}.{minor} on a 64-bit machine: every struct with its size, every field with its offset and type,\n"
        "// every number. Written by freeze.py when the version was released; nothing of it may ever change.\n"
        "// clang-format off\n" + record)
    shutil.copyfile(include / "viaduct" / "abi.h", frozen)
    return 0


if __name__ == "__main__":
    sys.exit(main())
