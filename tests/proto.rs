//! The checked-in message and service code is what the generators make of `proto/` today.
//!
//! Run with `UPDATE_PB=1` to write the files anew after a change of a `.proto` file.
#![expect(clippy::expect_used, reason = "what fails here fails the test")]

use std::{collections::BTreeMap, env, fs, path::Path};

/// One checked-in file and what it is made of.
struct Generated {
    /// Folder of the `.proto` files, all of which are read.
    protos: &'static str,
    /// The file that holds the code, one nested module for each part of a package's name.
    code: &'static str,
}

const GENERATED: &[Generated] = &[
    Generated {
        protos: "proto/goplugin",
        code: "src/goplugin/pb.rs",
    },
    Generated {
        protos: "proto/vault",
        code: "src/vault/pb.rs",
    },
];

#[test]
fn checked_in_code_is_what_the_protos_generate() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for entry in GENERATED {
        let code = generate(root, entry);
        let path = root.join(entry.code);
        if env::var_os("UPDATE_PB").is_some() {
            fs::write(&path, &code).expect("the generated file is writable");
        }
        let checked_in = fs::read_to_string(&path).expect("the generated file is checked in");
        assert!(
            checked_in == code,
            "{} differs from what {} generates; run `UPDATE_PB=1 cargo test --test proto`",
            entry.code,
            entry.protos
        );
    }
}

/// The whole text of a generated file.
fn generate(root: &Path, entry: &Generated) -> String {
    let folder = root.join(entry.protos);
    let descriptors = protox::compile(proto_files(&folder), [&folder]).expect("valid .proto files");
    let out = tempfile::tempdir().expect("a temporary folder");
    tonic_prost_build::configure()
        .btree_map(".")
        // The messages of a backend carry secrets: nobody shall be able to print one.
        .skip_debug([".pb"])
        .build_transport(false)
        .emit_rerun_if_changed(false)
        .out_dir(out.path())
        .compile_fds(descriptors)
        .expect("code is generated");

    let mut packages = Module::default();
    for (package, code) in read_packages(out.path()) {
        packages.insert(package.split('.'), code);
    }
    let file = syn::parse_file(&packages.source()).expect("generated code is Rust");
    format!(
        "//! Made from `{}` by `tests/proto.rs`; not edited by hand.\n\n{}",
        entry.protos,
        prettyplease::unparse(&file)
    )
}

fn proto_files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the folder of .proto files exists")
        .map(|file| file.expect("the folder is readable").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "proto"))
        .collect();
    files.sort();
    files
}

/// The generators write one file for each package, named after it; packages without content have none.
fn read_packages(folder: &Path) -> BTreeMap<String, String> {
    fs::read_dir(folder)
        .expect("the generators' folder")
        .map(|file| file.expect("the generators' folder is readable").path())
        .map(|path| {
            let package = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .expect("a package's name");
            (
                package.to_owned(),
                fs::read_to_string(&path).expect("generated code is text"),
            )
        })
        .collect()
}

/// The tree of packages; `pluginutil.multiplexing` becomes `pub mod pluginutil { pub mod multiplexing`.
#[derive(Default)]
struct Module {
    code: String,
    children: BTreeMap<String, Module>,
}

impl Module {
    fn insert<'a>(&mut self, mut path: impl Iterator<Item = &'a str>, code: String) {
        match path.next() {
            Some(name) => self
                .children
                .entry(name.to_owned())
                .or_default()
                .insert(path, code),
            None => self.code = code,
        }
    }

    fn source(&self) -> String {
        // The code opens with a line comment, so it starts and ends on lines of its own.
        let mut source = format!("\n{}\n", self.code);
        for (name, module) in &self.children {
            source.extend(["pub mod ", name, " {", &module.source(), "}\n"]);
        }
        source
    }
}
