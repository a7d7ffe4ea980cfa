#!/usr/bin/env python3
"""Makes the packages of a release: archives, npm, PyPI, Debian, Homebrew, MCPB bundles,
the entry for the MCP registry, install.sh, the list of releases, an SBOM and checksums.

    install/packages/release.py OUT --target x86_64-unknown-linux-musl
    install/packages/release.py OUT --binary aarch64-apple-darwin=FILE --binary ...

--target builds the program with cargo, --binary takes one that is built. Nothing is
written outside of OUT, and nothing is published. It needs Python 3.10 alone, and cargo
for the SBOM.
"""

import argparse
import base64
import csv
import gzip
import hashlib
import io
import json
import os
import platform
import re
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# What each package manager calls a target. Programs for musl are static, so their
# wheels fit every Linux.
TARGETS = {
    "x86_64-unknown-linux-musl": {
        "npm": ("linux", "x64"),
        "wheel": "manylinux_2_17_x86_64.manylinux2014_x86_64.musllinux_1_1_x86_64",
        "deb": "amd64",
        "brew": ("linux", "intel"),
    },
    "aarch64-unknown-linux-musl": {
        "npm": ("linux", "arm64"),
        "wheel": "manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64",
        "deb": "arm64",
        "brew": ("linux", "arm"),
    },
    "x86_64-apple-darwin": {
        "npm": ("darwin", "x64"),
        "wheel": "macosx_10_12_x86_64",
        "brew": ("macos", "intel"),
    },
    "aarch64-apple-darwin": {
        "npm": ("darwin", "arm64"),
        "wheel": "macosx_11_0_arm64",
        "brew": ("macos", "arm"),
    },
    # An archive alone: the scripts of npm and PyPI start no mimo.exe.
    "x86_64-pc-windows-gnu": {},
    # For this machine and those like it: PyPI takes no such wheel.
    "x86_64-unknown-linux-gnu": {
        "npm": ("linux", "x64"),
        "wheel": "linux_x86_64",
        "deb": "amd64",
    },
    "aarch64-unknown-linux-gnu": {
        "npm": ("linux", "arm64"),
        "wheel": "linux_aarch64",
        "deb": "arm64",
    },
}
AUTHOR = "The Mimo authors"
# Later ones are made from earlier ones.
KINDS = ["archive", "npm", "wheel", "deb", "mcpb", "sbom", "brew", "registry", "scripts"]


def manifest_field(name):
    """A text of Cargo.toml's [package]; empty where there is none."""
    package = (ROOT / "Cargo.toml").read_text().split("\n[", 2)[0]
    found = re.search(rf'^{name} = "(.*)"$', package, re.MULTILINE)
    return found[1] if found else ""


class Release:
    def __init__(self, arguments):
        self.out = Path(arguments.out).resolve()
        if self.out == ROOT or ROOT in self.out.parents and ROOT / "target" not in self.out.parents:
            sys.exit(f"{self.out} lies in the checkout; name a folder outside, or below target")
        self.name = manifest_field("name")
        self.version = manifest_field("version")
        self.description = manifest_field("description")
        self.license = manifest_field("license")
        repository = arguments.repository or manifest_field("repository")
        self.repository = repository.removesuffix(".git").rstrip("/")
        self.level = 0 if arguments.fast else 9
        self.time = int(os.environ.get("SOURCE_DATE_EPOCH", "0")) or int(time.time())
        self.readme = self.linked_readme()
        self.legal = (ROOT / "LICENSE").read_bytes()
        self.made = []

    def linked_readme(self):
        """The README with links that hold outside of the checkout, where one is known."""
        text = (ROOT / "README.md").read_text()
        if self.repository:
            place = f"{self.repository}/blob/v{self.version}"
            text = re.sub(r"\]\((?!https?:|#)", f"]({place}/", text)
        return text.encode()

    @property
    def downloads(self):
        """Where GitHub serves the files of this version."""
        return f"{self.repository}/releases/download/v{self.version}"

    @property
    def registry_name(self):
        """The name of the server in the MCP registry, where the repository is on GitHub."""
        found = re.fullmatch(r"https://github\.com/([^/]+)/[^/]+", self.repository)
        return f"io.github.{found[1]}/mimo" if found else ""

    def write(self, name, content):
        self.out.mkdir(parents=True, exist_ok=True)
        (self.out / name).write_bytes(content)
        self.made.append(name)
        return content

    def tar_gz(self, files):
        """An archive of (path, content, is_program), with the folders on the way."""
        plain = io.BytesIO()
        with tarfile.open(fileobj=plain, mode="w", format=tarfile.GNU_FORMAT) as archive:
            folders = set()
            for path, content, is_program in files:
                start = "./" if path.startswith("./") else ""
                parents = [str(each) for each in Path(path).parents if str(each) != "."]
                for folder in reversed(parents):
                    if folder not in folders:
                        folders.add(folder)
                        archive.addfile(self.tar_entry(start + folder, 0o755, tarfile.DIRTYPE))
                entry = self.tar_entry(path, 0o755 if is_program else 0o644, tarfile.REGTYPE)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        return gzip.compress(plain.getbuffer(), self.level, mtime=0)

    def tar_entry(self, path, mode, kind):
        entry = tarfile.TarInfo(path)
        entry.mode, entry.type, entry.mtime = mode, kind, self.time
        entry.uname = entry.gname = "root"
        return entry

    def zip(self, files):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=self.level) as archive:
            for path, content, is_program in files:
                entry = zipfile.ZipInfo(path, time.gmtime(self.time)[:6])
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.create_system = 3  # Unix, or the mode counts for nothing
                entry.external_attr = (0o100755 if is_program else 0o100644) << 16
                archive.writestr(entry, content)
        return out.getvalue()

    def extras(self, binaries):
        """Manual pages and completions, written by a program that runs here."""
        system = {"Linux": "-linux-", "Darwin": "-apple-"}.get(platform.system(), "?")
        machine = {"arm64": "aarch64"}.get(platform.machine(), platform.machine())
        runs = [p for t, p in binaries.items() if t.startswith(machine) and system in t]
        if not runs:
            print("left out: manual pages and completions, since no program runs here")
            return []
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([runs[0], "man", folder], check=True, stdout=subprocess.DEVNULL)
            pages = [(f"man/{f.name}", f.read_bytes(), False) for f in sorted(Path(folder).iterdir())]
        shells = {"bash": "mimo.bash", "zsh": "_mimo", "fish": "mimo.fish"}
        scripts = [
            (f"completions/{name}", subprocess.check_output([runs[0], "completions", shell]), False)
            for shell, name in shells.items()
        ]
        return pages + scripts

    # One package of each target.

    def archive(self, target, program, extras):
        files = [(program_name(target), program, True), ("LICENSE", self.legal, False)]
        files += [("README.md", self.readme, False), *extras]
        self.write(f"mimo-{target}.tar.gz", self.tar_gz(files))

    def npm(self, target, program, _):
        if "npm" not in TARGETS[target]:
            return
        system, machine = TARGETS[target]["npm"]
        name = f"{self.name}-{system}-{machine}"
        package = self.npm_manifest(name, f"The program of {self.name} for {system}-{machine}")
        package |= {"os": [system], "cpu": [machine], "files": ["bin"]}
        if target.endswith("gnu"):
            package["libc"] = ["glibc"]
        self.npm_archive(package, [("bin/mimo", program, True)])

    def npm_main(self, targets):
        targets = [TARGETS[target]["npm"] for target in targets if "npm" in TARGETS[target]]
        names = [f"{self.name}-{'-'.join(target)}" for target in targets]
        package = self.npm_manifest(self.name, self.description)
        package |= {
            "bin": {self.name: "mimo.js", "mimo": "mimo.js"},
            "engines": {"node": ">=18"},
            "files": ["mimo.js"],
            "optionalDependencies": {name: self.version for name in sorted(set(names))},
        }
        if self.registry_name:
            package["mcpName"] = self.registry_name
        self.npm_archive(package, [("mimo.js", (HERE / "npm/mimo.js").read_bytes(), True)])

    def npm_manifest(self, name, description):
        package = {"name": name, "version": self.version, "description": description}
        package |= {"license": self.license, "author": AUTHOR}
        if self.repository:
            package["repository"] = {"type": "git", "url": f"git+{self.repository}.git"}
        return package

    def npm_archive(self, package, files):
        files = [("package.json", as_json(package), False), *files]
        files += [("README.md", self.readme, False), ("LICENSE", self.legal, False)]
        files = [(f"package/{path}", *rest) for path, *rest in files]
        self.write(f"{package['name']}-{self.version}.tgz", self.tar_gz(files))

    def wheel(self, target, program, _):
        name = self.name.replace("-", "_")
        platforms = TARGETS[target].get("wheel")
        if not platforms:
            return
        info, data = f"{name}-{self.version}.dist-info", f"{name}-{self.version}.data/scripts"
        metadata = f"Metadata-Version: 2.4\nName: {self.name}\nVersion: {self.version}\n"
        metadata += f"Summary: {self.description}\nAuthor: {AUTHOR}\n"
        metadata += f"License-Expression: {self.license}\nLicense-File: LICENSE\n"
        if self.repository:
            metadata += f"Project-URL: Source, {self.repository}\n"
        metadata += "Description-Content-Type: text/markdown\n\n"
        if self.registry_name:
            # By this the MCP registry knows whose package it is.
            metadata += f"<!-- mcp-name: {self.registry_name} -->\n\n"
        tags = "".join(f"Tag: py3-none-{each}\n" for each in platforms.split("."))
        about = f"Wheel-Version: 1.0\nGenerator: {self.name}\nRoot-Is-Purelib: false\n{tags}"
        files = [
            (f"{data}/mimo", program, True),
            (f"{data}/mimo-mcp", (HERE / "pypi/mimo-mcp").read_bytes(), True),
            (f"{info}/licenses/LICENSE", self.legal, False),
            (f"{info}/METADATA", metadata.encode() + self.readme, False),
            (f"{info}/WHEEL", about.encode(), False),
        ]
        record = io.StringIO()
        rows = csv.writer(record, lineterminator="\n")
        for path, content, _ in files:
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            rows.writerow([path, f"sha256={digest.decode()}", len(content)])
        rows.writerow([f"{info}/RECORD", "", ""])
        files.append((f"{info}/RECORD", record.getvalue().encode(), False))
        self.write(f"{name}-{self.version}-py3-none-{platforms}.whl", self.zip(files))

    def deb(self, target, program, extras):
        architecture = TARGETS[target].get("deb")
        if not architecture:
            return
        share = "./usr/share"
        places = {"mimo.bash": "bash-completion/completions/mimo"}
        places |= {"_mimo": "zsh/vendor-completions/_mimo"}
        places |= {"mimo.fish": "fish/vendor_completions.d/mimo.fish"}
        files = [("./usr/bin/mimo", program, True)]
        doc = f"{share}/doc/{self.name}"
        files.append((f"{doc}/copyright", self.legal, False))
        changes = (ROOT / "install/CHANGELOG.md").read_bytes()
        files.append((f"{doc}/changelog.gz", gzip.compress(changes, 9, mtime=0), False))
        for path, content, _ in extras:
            name = path.split("/")[-1]
            if path.startswith("man/"):
                page = gzip.compress(content, 9, mtime=0)
                files.append((f"{share}/man/man1/{name}.gz", page, False))
            else:
                files.append((f"{share}/{places[name]}", content, False))
        size = sum(len(content) for _, content, _ in files) // 1024
        fields = {
            "Package": self.name,
            "Version": self.version,
            "Architecture": architecture,
            "Maintainer": os.environ.get("MIMO_MAINTAINER", f"{AUTHOR} <mimo@localhost>"),
            "Installed-Size": size,
            "Section": "utils",
            "Priority": "optional",
            "Homepage": self.repository,
            "Depends": "libc6, libgcc-s1" if target.endswith("gnu") else "",
            "Description": f"{self.description.removeprefix('A ')}\n Memories, a graph, procedures and"
            " other MCP servers in sandboxes, for\n every AI client on this machine.",
        }
        control = "".join(f"{name}: {text}\n" for name, text in fields.items() if text)
        sums = "".join(f"{hashlib.md5(c).hexdigest()}  {p[2:]}\n" for p, c, _ in files)
        control = [("./control", control.encode(), False), ("./md5sums", sums.encode(), False)]
        members = [("debian-binary", b"2.0\n")]
        members += [("control.tar.gz", self.tar_gz(control)), ("data.tar.gz", self.tar_gz(files))]
        self.write(f"{self.name}_{self.version}_{architecture}.deb", self.ar(members))

    def ar(self, members):
        out = io.BytesIO(b"!<arch>\n")
        out.seek(0, io.SEEK_END)
        for name, content in members:
            head = f"{name:16}{self.time:<12}{0:<6}{0:<6}{'100644':8}{len(content):<10}`\n"
            out.write(head.encode() + content + b"\n" * (len(content) % 2))
        return out.getvalue()

    def mcpb(self, target, program, _):
        if "npm" not in TARGETS[target]:
            return
        system, _ = TARGETS[target]["npm"]
        manifest = json.loads((HERE / "manifest.json").read_text())
        manifest |= {"version": self.version, "description": self.description}
        manifest |= {"license": self.license, "compatibility": {"platforms": [system]}}
        if self.repository:
            manifest["repository"] = {"type": "git", "url": self.repository}
        files = [("manifest.json", as_json(manifest), False), ("server/mimo", program, True)]
        files += [("LICENSE", self.legal, False)]
        self.write(f"{self.name}-{target}.mcpb", self.zip(files))

    # One file for all targets.

    def sbom(self, targets):
        """The crates in the programs of these targets, in CycloneDX 1.6."""
        lock = (ROOT / "Cargo.lock").read_text()
        pattern = r'name = "(.+)"\nversion = "(.+)"\nsource = .+\nchecksum = "(.+)"'
        sums = {(name, version): digest for name, version, digest in re.findall(pattern, lock)}
        crates, edges, root = {}, {}, None
        for target in targets:
            command = ["cargo", "metadata", "--format-version", "1", "--locked"]
            command += ["--filter-platform", target]
            described = json.loads(subprocess.check_output(command, cwd=ROOT))
            crates |= {package["id"]: package for package in described["packages"]}
            nodes = {node["id"]: node["deps"] for node in described["resolve"]["nodes"]}
            root = described["resolve"]["root"]
            open_ids, seen = [root], {root}
            while open_ids:
                each = open_ids.pop()
                # What only builds or tests is not in the program.
                kinds = [(dep["pkg"], [k["kind"] for k in dep["dep_kinds"]]) for dep in nodes[each]]
                needs = {package for package, kind in kinds if None in kind}
                open_ids += needs - seen
                seen |= needs
                edges[each] = edges.get(each, set()) | needs

        def purl(each):
            return f"pkg:cargo/{crates[each]['name']}@{crates[each]['version']}"

        def component(each):
            crate = crates[each]
            made = {"type": "library", "bom-ref": purl(each), "name": crate["name"]}
            made |= {"version": crate["version"], "purl": purl(each)}
            if crate["license"]:
                made["licenses"] = [{"expression": crate["license"].replace("/", " OR ")}]
            digest = sums.get((crate["name"], crate["version"]))
            if digest:
                made["hashes"] = [{"alg": "SHA-256", "content": digest}]
            return made

        ids = sorted(edges, key=purl)
        document = {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "metadata": {"component": component(root) | {"type": "application"}},
            "components": [component(each) for each in ids if each != root],
            "dependencies": [
                {"ref": purl(each), "dependsOn": sorted(map(purl, edges[each]))} for each in ids
            ],
        }
        self.write(f"{self.name}.cdx.json", as_json(document))

    def brew(self, targets):
        if not self.needs_repository("the Homebrew formula"):
            return
        blocks = []
        for target in targets:
            system, machine = TARGETS[target].get("brew", (None, None))
            name = f"mimo-{target}.tar.gz"
            if system and name in self.made:
                blocks.append(
                    f"  on_{system} do\n    on_{machine} do\n"
                    f'      url "{self.downloads}/{name}"\n'
                    f'      sha256 "{self.digest(name)}"\n    end\n  end\n'
                )
        formula = (HERE / "homebrew/mimo-mcp.rb").read_text()
        description = self.description.removeprefix("A ")
        description = description[0].upper() + description[1:]
        values = {"DESCRIPTION": description, "REPOSITORY": self.repository}
        values |= {"VERSION": self.version, "LICENSE": self.license, "ARCHIVES": "\n".join(blocks)}
        for name, text in values.items():
            formula = formula.replace(f"@{name}@", text)
        self.write("mimo-mcp.rb", formula.encode())

    def registry(self):
        if not self.registry_name:
            print("left out: server.json, since no repository on GitHub is named")
            return
        packages = [
            {"registryType": kind, "identifier": self.name, "version": self.version}
            for kind in ("npm", "pypi")
        ]
        for name in self.made:
            if name.endswith(".mcpb"):
                address = f"{self.downloads}/{name}"
                package = {"registryType": "mcpb", "identifier": address}
                packages.append(package | {"fileSha256": self.digest(name)})
        server = json.loads((HERE / "server.json").read_text())
        server |= {"name": self.registry_name, "version": self.version}
        server |= {"description": self.description}
        server["repository"] = {"url": self.repository, "source": "github"}
        server["packages"] = [each | {"transport": {"type": "stdio"}} for each in packages]
        self.write("server.json", as_json(server))

    def scripts(self):
        """What `mimo update` reads, and what installs the archives."""
        changelog = (ROOT / "install/CHANGELOG.md").read_text()
        sections = re.split(r"^## \[(.+?)\].*$", changelog, flags=re.MULTILINE)[1:]
        pairs = zip(sections[::2], sections[1::2])
        changes = [{"version": version, "text": text.strip()} for version, text in pairs]
        self.write("latest.json", as_json({"version": self.version, "changes": changes[:20]}))
        script = (HERE / "install.sh").read_text()
        downloads = f"{self.repository}/releases/latest/download" if self.repository else ""
        self.write("install.sh", script.replace("@DOWNLOADS@", downloads).encode())

    def checksums(self):
        names = sorted(name for name in set(self.made))
        lines = "".join(f"{self.digest(name)}  {name}\n" for name in names)
        self.write("SHA256SUMS", lines.encode())

    def digest(self, name):
        return hashlib.sha256((self.out / name).read_bytes()).hexdigest()

    def needs_repository(self, what):
        if not self.repository:
            print(f"left out: {what}, since no repository is named")
        return bool(self.repository)


def as_json(document):
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def program_name(target):
    return "mimo.exe" if "-windows-" in target else "mimo"


def build(target):
    command = ["cargo", "build", "--release", "--locked", "--bin", "mimo", "--target", target]
    if target.endswith("-musl"):
        command += ["--config", "install/packages/musl.toml"]
    subprocess.run(command, check=True, cwd=ROOT)
    folder = os.environ.get("CARGO_TARGET_DIR", ROOT / "target")
    return Path(folder) / target / "release" / program_name(target)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("out", metavar="OUT", help="the folder for everything")
    parser.add_argument("--target", action="append", default=[], choices=TARGETS, help="build it")
    parser.add_argument("--binary", action="append", default=[], metavar="TARGET=FILE")
    parser.add_argument("--repository", default=os.environ.get("MIMO_REPOSITORY", ""), metavar="URL")
    parser.add_argument("--only", default=",".join(KINDS), help=f"some of {', '.join(KINDS)}")
    parser.add_argument("--fast", action="store_true", help="compress nothing, for tests")
    arguments = parser.parse_args()
    only = arguments.only.split(",")
    pairs = [each.partition("=")[::2] for each in arguments.binary]
    wrong = [t for t, _ in pairs if t not in TARGETS] + [k for k in only if k not in KINDS]
    if wrong:
        parser.error(f"unknown: {', '.join(wrong)}; targets are {', '.join(TARGETS)}")
    if not pairs and not arguments.target:
        parser.error("name a target to build, or a program that is built")
    release = Release(arguments)
    binaries = {target: Path(path).resolve() for target, path in pairs}
    binaries |= {target: build(target) for target in arguments.target}

    extras = release.extras(binaries) if {"archive", "deb"} & set(only) else []
    for target, path in binaries.items():
        program = path.read_bytes()
        for kind in ("archive", "npm", "wheel", "deb", "mcpb"):
            if kind in only:
                getattr(release, kind)(target, program, extras)
    if "npm" in only:
        release.npm_main(binaries)
    if "sbom" in only:
        release.sbom(binaries)
    if "brew" in only:
        release.brew(binaries)
    if "registry" in only:
        release.registry()
    if "scripts" in only:
        release.scripts()
    release.checksums()
    print("\n".join(sorted(set(release.made))))


if __name__ == "__main__":
    main()
