//! Every shape that is stored is kept as a file for later versions: each field and each variant of a
//! stored type is in the folder of this version.
//!
//! The types are read from the sources: in the engine, what is both written and read as JSON is stored.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use syn::punctuated::Punctuated;
use syn::{Attribute, Fields, Item, Meta, Token};

/// Types of the layers below that the engine stores as they are.
const BELOW: &[(&str, &str)] = &[("atlas/encryption_at_rest.rs", "VaultKey")];

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What one stored type needs: of a struct one object with all these keys, of an enum each name somewhere.
struct Shape {
    name: String,
    keys: BTreeSet<String>,
    variants: BTreeSet<String>,
}

/// The arguments of all `serde` attributes, as text without blanks.
fn serde(attributes: &[Attribute]) -> Vec<String> {
    let of_serde = attributes.iter().filter(|one| one.path().is_ident("serde"));
    let lists = of_serde.filter_map(|one| {
        one.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
            .ok()
    });
    let text = |meta: Meta| match meta {
        Meta::NameValue(pair) => {
            let value = match pair.value {
                syn::Expr::Lit(syn::ExprLit {
                    lit: syn::Lit::Str(text),
                    ..
                }) => text.value(),
                _ => String::new(),
            };
            format!("{}={value}", name_of(&pair.path))
        }
        other => name_of(other.path()),
    };
    lists.flatten().map(text).collect()
}

fn name_of(path: &syn::Path) -> String {
    path.segments
        .last()
        .map(|last| last.ident.to_string())
        .unwrap_or_default()
}

fn renamed(arguments: &[String]) -> Option<String> {
    let mut renames = arguments
        .iter()
        .filter_map(|one| one.strip_prefix("rename="));
    renames.next_back().map(ToOwned::to_owned)
}

fn snake(name: &str) -> String {
    let mut text = String::new();
    for (at, letter) in name.char_indices() {
        if letter.is_uppercase() && at > 0 {
            text.push('_');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

fn is_stored(attributes: &[Attribute]) -> bool {
    let lists = attributes
        .iter()
        .filter(|one| one.path().is_ident("derive"));
    let derived: Vec<String> = lists
        .filter_map(|one| {
            one.parse_args_with(Punctuated::<syn::Path, Token![,]>::parse_terminated)
                .ok()
        })
        .flatten()
        .map(|path| name_of(&path))
        .collect();
    ["Serialize", "Deserialize"]
        .iter()
        .all(|one| derived.iter().any(|name| name == one))
}

/// The keys of named fields; those that are part of another object, or not stored, have none.
fn keys(fields: &Fields) -> BTreeSet<String> {
    let Fields::Named(fields) = fields else {
        return BTreeSet::new();
    };
    let keys = fields.named.iter().filter_map(|field| {
        let arguments = serde(&field.attrs);
        let has_none = arguments
            .iter()
            .any(|one| one == "flatten" || one == "skip");
        let name = field.ident.as_ref()?.to_string();
        (!has_none).then(|| renamed(&arguments).unwrap_or(name))
    });
    keys.collect()
}

fn shape(item: &Item) -> Option<Shape> {
    match item {
        Item::Struct(item) if is_stored(&item.attrs) => Some(Shape {
            name: item.ident.to_string(),
            keys: keys(&item.fields),
            variants: BTreeSet::new(),
        }),
        Item::Enum(item) if is_stored(&item.attrs) => {
            let is_snake = serde(&item.attrs).contains(&"rename_all=snake_case".to_owned());
            assert!(is_snake, "{}: how are its variants written?", item.ident);
            let names = item.variants.iter().map(|variant| {
                renamed(&serde(&variant.attrs)).unwrap_or_else(|| snake(&variant.ident.to_string()))
            });
            Some(Shape {
                name: item.ident.to_string(),
                keys: BTreeSet::new(),
                variants: names.collect(),
            })
        }
        _ => None,
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("sources") {
        let path = entry.expect("a file").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

fn items(path: &Path) -> Vec<Item> {
    let text = fs::read_to_string(path).expect("a source");
    syn::parse_file(&text).expect("Rust").items
}

fn shapes() -> Vec<Shape> {
    let mut files = Vec::new();
    sources(&top().join("src/engine"), &mut files);
    let of_engine = files.iter().flat_map(|file| items(file));
    let mut shapes: Vec<Shape> = of_engine.filter_map(|item| shape(&item)).collect();
    for (file, name) in BELOW {
        let items = items(&top().join("src").join(file));
        let found = items
            .iter()
            .filter_map(shape)
            .find(|shape| shape.name == *name);
        shapes.push(found.unwrap_or_else(|| panic!("{name} is not in {file}")));
    }
    shapes
}

/// Everything in a value: the keys of each object, and each text that is a key or a value.
fn collect(value: &Value, objects: &mut Vec<BTreeSet<String>>, texts: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            objects.push(object.keys().cloned().collect());
            texts.extend(object.keys().cloned());
            object
                .values()
                .for_each(|value| collect(value, objects, texts));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, objects, texts)),
        Value::String(text) => drop(texts.insert(text.clone())),
        _ => {}
    }
}

#[test]
fn every_stored_shape_is_kept_for_later_versions() {
    let folder = format!("tests/stored/v{}", env!("CARGO_PKG_VERSION"));
    let (mut objects, mut texts) = (Vec::new(), BTreeSet::new());
    for file in fs::read_dir(top().join(&folder)).expect("what is kept of this version") {
        let text = fs::read_to_string(file.expect("a file").path()).expect("its text");
        let value: Value = serde_json::from_str(&text).expect("JSON");
        // The keys of a file are storage keys.
        for entry in value.as_object().expect("entries").values() {
            collect(entry, &mut objects, &mut texts);
        }
    }
    let shapes = shapes();
    assert!(shapes.len() > 30, "{} stored types", shapes.len());
    let mut missing = Vec::new();
    for shape in shapes {
        // `lease` is the owner of entries that name none.
        let is_there = |name: &&String| {
            texts.contains(*name) || *name == "lease" || *name == "programmatic_api_key"
        };
        let lacks: Vec<&String> = shape
            .variants
            .iter()
            .filter(|name| !is_there(name))
            .collect();
        if !lacks.is_empty() {
            missing.push(format!("{}: {lacks:?}", shape.name));
        }
        if !shape.keys.is_empty() && !objects.iter().any(|object| shape.keys.is_subset(object)) {
            missing.push(format!(
                "{}: no object has all of {:?}",
                shape.name, shape.keys
            ));
        }
    }
    assert!(
        missing.is_empty(),
        "add them to {folder}:\n{}",
        missing.join("\n")
    );
}
