//! Every shape that is stored is kept as a file for later versions: each field and each variant of a
//! stored type is in the folder of this version.
//!
//! The types are read from the sources: in the engine, what is both written and read as JSON is stored.

use std::collections::{BTreeMap, BTreeSet};
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

/// What one stored type needs: of a struct one object with all these keys, of an enum each name somewhere,
/// and of a variant with fields an object with all of them under its name.
struct Shape {
    name: String,
    keys: BTreeSet<String>,
    variants: BTreeMap<String, BTreeSet<String>>,
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
            variants: BTreeMap::new(),
        }),
        Item::Enum(item) if is_stored(&item.attrs) => {
            let is_snake = serde(&item.attrs).contains(&"rename_all=snake_case".to_owned());
            assert!(is_snake, "{}: how are its variants written?", item.ident);
            let variants = item.variants.iter().map(|variant| {
                let name = renamed(&serde(&variant.attrs));
                let name = name.unwrap_or_else(|| snake(&variant.ident.to_string()));
                (name, keys(&variant.fields))
            });
            Some(Shape {
                name: item.ident.to_string(),
                keys: BTreeSet::new(),
                variants: variants.collect(),
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

/// What is kept of this version.
#[derive(Default)]
struct Kept {
    /// The keys of each object, beside the key that it stands under, if any.
    objects: Vec<(String, BTreeSet<String>)>,
    /// Each text that is a key or a value.
    texts: BTreeSet<String>,
}

impl Kept {
    fn read(folder: &str) -> Self {
        let mut kept = Self::default();
        for file in fs::read_dir(top().join(folder)).expect("what is kept of this version") {
            let text = fs::read_to_string(file.expect("a file").path()).expect("its text");
            let value: Value = serde_json::from_str(&text).expect("JSON");
            // The keys of a file are storage keys.
            for entry in value.as_object().expect("entries").values() {
                kept.collect("", entry);
            }
        }
        kept
    }

    fn collect(&mut self, under: &str, value: &Value) {
        match value {
            Value::Object(object) => {
                let keys: BTreeSet<String> = object.keys().cloned().collect();
                self.texts.extend(keys.iter().cloned());
                self.objects.push((under.to_owned(), keys));
                for (key, value) in object {
                    self.collect(key, value);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.collect("", item)),
            Value::String(text) => drop(self.texts.insert(text.clone())),
            _ => {}
        }
    }

    fn has(&self, keys: &BTreeSet<String>) -> bool {
        keys.is_empty()
            || self
                .objects
                .iter()
                .any(|(_, object)| keys.is_subset(object))
    }

    fn has_variant(&self, name: &str, keys: &BTreeSet<String>) -> bool {
        // `lease` is the owner of entries that name none.
        if name == "lease" || name == "programmatic_api_key" {
            return true;
        }
        let is_it = |(under, object): &(String, _)| under == name && keys.is_subset(object);
        self.texts.contains(name) && (keys.is_empty() || self.objects.iter().any(is_it))
    }
}

#[test]
fn every_stored_shape_is_kept_for_later_versions() {
    let folder = format!("tests/stored/v{}", env!("CARGO_PKG_VERSION"));
    let kept = Kept::read(&folder);
    let shapes = shapes();
    assert!(shapes.len() > 30, "{} stored types", shapes.len());
    let with_fields = shapes.iter().flat_map(|shape| shape.variants.values());
    let with_fields = with_fields.filter(|keys| !keys.is_empty()).count();
    assert!(with_fields > 1, "{with_fields} variants with fields");
    let mut missing = Vec::new();
    for shape in shapes {
        for (name, keys) in &shape.variants {
            if !kept.has_variant(name, keys) {
                missing.push(format!("{}: {name}, with all of {keys:?}", shape.name));
            }
        }
        if !kept.has(&shape.keys) {
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
