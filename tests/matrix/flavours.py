"""The axes of the matrix: how a program can be compiled and linked. A flavour is one point; `quick` ones are what ./check runs."""
from dataclasses import dataclass, field

KINDS = {  # kind -> (flags for compiling, flags for linking)
    "pie": (["-fPIE"], ["-pie"]),
    "exec": (["-fno-pie"], ["-no-pie"]),
    "shared": (["-fPIC"], ["-shared"]),
    "static": (["-fno-pie", "-DSTATIC_LINK"], ["-static"]),
    "static-pie": (["-fPIE", "-DSTATIC_LINK"], ["-static-pie"]),
}


@dataclass
class Flavour:
    name: str
    compiler: str = "gcc"
    optimise: str = "-O2"
    kind: str = "pie"
    compile: list = field(default_factory=list)
    link: list = field(default_factory=list)
    quick: bool = False

    @property
    def compile_flags(self):
        return ["-g", "-pthread", self.optimise, *KINDS[self.kind][0], *self.compile]

    @property
    def link_flags(self):
        # clang and gcc alike hand these to the linker that they are told to use.
        return ["-pthread", self.optimise, *KINDS[self.kind][1], *self.compile, *self.link]


def all_flavours():
    return [
        # What Debian's own builds use, and what most packages override it with.
        Flavour("gcc-O2-debian", compile=["-fstack-protector-strong", "-D_FORTIFY_SOURCE=2", "-ffile-prefix-map=/=."],
                link=["-Wl,-z,relro"], quick=True),
        Flavour("gcc-O2-debian-now", compile=["-fstack-protector-strong", "-D_FORTIFY_SOURCE=2"], link=["-Wl,-z,relro", "-Wl,-z,now"]),
        # Levels.
        Flavour("gcc-O0-pie", optimise="-O0", quick=True),
        Flavour("gcc-O1-pie", optimise="-O1"),
        Flavour("gcc-O3-exec", optimise="-O3", kind="exec", quick=True),
        Flavour("gcc-Os-pie", optimise="-Os"),
        Flavour("gcc-O3-pie-avx2", optimise="-O3", compile=["-mavx2"]),
        Flavour("clang-O0-pie", "clang", "-O0"),
        Flavour("clang-O1-exec", "clang", "-O1", "exec"),
        Flavour("clang-O2-pie", "clang", quick=True),
        Flavour("clang-O3-pie", "clang", "-O3"),
        Flavour("clang-Os-exec", "clang", "-Os", "exec"),
        # Kinds of image.
        Flavour("gcc-O0-exec", optimise="-O0", kind="exec"),
        Flavour("gcc-O2-exec", kind="exec"),
        Flavour("gcc-O2-shared", kind="shared", quick=True),
        Flavour("gcc-O0-shared", optimise="-O0", kind="shared"),
        Flavour("gcc-O3-shared", optimise="-O3", kind="shared"),
        Flavour("clang-O2-shared", "clang", kind="shared"),
        Flavour("gcc-O2-static", kind="static", quick=True),
        Flavour("gcc-O2-static-pie", kind="static-pie"),
        Flavour("clang-O2-static", "clang", kind="static"),
        Flavour("gcc-O2-static-libgcc", link=["-static-libgcc", "-static-libstdc++"]),
        Flavour("clang-O2-shared-static-libgcc", "clang", kind="shared", link=["-static-libgcc", "-static-libstdc++"]),
        Flavour("clang-O2-static-pie", "clang", kind="static-pie"),
        # How references reach their targets.
        Flavour("gcc-O2-noplt-now", compile=["-fno-plt"], link=["-Wl,-z,now"]),
        Flavour("gcc-O2-shared-noplt", kind="shared", compile=["-fno-plt"]),
        Flavour("gcc-O2-shared-bsymbolic", kind="shared", link=["-Wl,-Bsymbolic"]),
        Flavour("gcc-O2-shared-bsymbolic-functions", kind="shared", link=["-Wl,-Bsymbolic-functions"]),
        Flavour("gcc-O2-shared-interposition", kind="shared", compile=["-fno-semantic-interposition"]),
        Flavour("gcc-O2-shared-hidden", kind="shared", compile=["-fvisibility=hidden"]),
        Flavour("gcc-O2-shared-protected", kind="shared", compile=["-fvisibility=protected"]),
        Flavour("gcc-O2-shared-map", kind="shared", link=["-Wl,--version-script=under.map"]),
        Flavour("gcc-O2-lazy", link=["-Wl,-z,lazy", "-Wl,-z,norelro"]),
        Flavour("gcc-O2-tlsdesc", kind="shared", compile=["-mtls-dialect=gnu2"]),
        Flavour("gcc-O2-relr", link=["-Wl,-z,pack-relative-relocs"]),
        Flavour("gcc-O2-shared-relr", kind="shared", link=["-Wl,-z,pack-relative-relocs"]),
        # What options add to the code.
        Flavour("gcc-O2-cet", compile=["-fcf-protection", "-fstack-protector-strong"]),
        Flavour("gcc-O2-cet-ibtplt", compile=["-fcf-protection"], link=["-Wl,-z,ibtplt", "-Wl,-z,lazy"]),
        Flavour("clang-O2-cet", "clang", compile=["-fcf-protection", "-fstack-protector-strong"]),
        Flavour("gcc-O2-protect-all", compile=["-fstack-protector-all", "-fstack-clash-protection"]),
        Flavour("gcc-O2-instrument", compile=["-finstrument-functions"]),
        Flavour("gcc-O2-frame-pointer", compile=["-fno-omit-frame-pointer", "-mno-red-zone"]),
        Flavour("gcc-O2-no-unwind", compile=["-fno-asynchronous-unwind-tables", "-fno-unwind-tables"]),
        Flavour("gcc-O2-retpoline", compile=["-mindirect-branch=thunk-inline", "-mfunction-return=keep"]),
        Flavour("gcc-O2-patchable", compile=["-fpatchable-function-entry=8,3"]),
        Flavour("gcc-O2-align1", compile=["-falign-functions=1"]),
        Flavour("gcc-O2-sections", compile=["-ffunction-sections", "-fdata-sections"], link=["-Wl,--gc-sections"]),
        Flavour("gcc-O2-medium", kind="exec", compile=["-mcmodel=medium"]),
        Flavour("gcc-O2-large", kind="exec", compile=["-mcmodel=large"]),
        Flavour("gcc-O2-shared-large", kind="shared", compile=["-mcmodel=large"]),
        Flavour("gcc-O2-common", compile=["-fcommon"]),
        Flavour("gcc-O2-no-reorder", compile=["-fno-toplevel-reorder"]),
        # Other linkers.
        Flavour("gcc-O2-gold", link=["-fuse-ld=gold"]),
        Flavour("gcc-O2-gold-icf", compile=["-ffunction-sections"], link=["-fuse-ld=gold", "-Wl,--icf=safe", "-Wl,--gc-sections"]),
        Flavour("clang-O2-lld", "clang", link=["-fuse-ld=lld"]),
        Flavour("clang-O2-lld-icf", "clang", compile=["-ffunction-sections", "-fdata-sections"], link=["-fuse-ld=lld", "-Wl,--icf=all", "-Wl,--gc-sections"]),
        Flavour("clang-O2-lld-shared-relr", "clang", kind="shared", link=["-fuse-ld=lld", "-Wl,--pack-dyn-relocs=relr"]),
        # Link-time optimisation.
        Flavour("gcc-O2-lto", compile=["-flto=auto"], quick=True),
        Flavour("gcc-O2-lto-fat", compile=["-flto=auto", "-ffat-lto-objects"]),
        Flavour("gcc-O2-lto-one", compile=["-flto", "-flto-partition=one"]),
        Flavour("gcc-O2-lto-max", compile=["-flto", "-flto-partition=max"]),
        Flavour("gcc-O2-lto-shared", kind="shared", compile=["-flto=auto"]),
        Flavour("gcc-O3-lto-exec", optimise="-O3", kind="exec", compile=["-flto=auto", "-ffat-lto-objects"]),
        Flavour("clang-O2-lto", "clang", compile=["-flto"], link=["-fuse-ld=lld"]),
        Flavour("clang-O2-thinlto", "clang", compile=["-flto=thin"], link=["-fuse-ld=lld"]),
    ]
