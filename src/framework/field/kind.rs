//! What a field is: its name, the kind of value it takes, and its documentation.

use serde_json::Value;

/// The kind of value a field takes. What each kind accepts is told at [`super::decode`].
/// Source: the field types of Vault's SDK framework, apart from [`Kind::MapOfLists`],
/// [`Kind::TextsOrObjects`] and [`Kind::Objects`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Text; numbers and booleans are taken as text.
    Text,
    /// Text that is lower-cased.
    LowercaseText,
    /// An integer.
    Int,
    /// True or false.
    Bool,
    /// A duration of whole seconds, not negative.
    Seconds,
    /// A moment.
    Time,
    /// A JSON object.
    Map,
    /// A list of text; one text is a list of one.
    Texts,
    /// A list of text; one text is split at commas.
    CommaTexts,
    /// A JSON object, or its text, of lists of text; our own addition.
    MapOfLists,
    /// A list of text, in which JSON objects may stand, or the JSON text of such a list; else one text is
    /// split at commas. An object is kept as its JSON text. Our own addition.
    TextsOrObjects,
    /// A list of JSON objects, as answers have them. An object is kept as its JSON text. Our own addition.
    Objects,
}

impl Kind {
    /// Every kind.
    #[cfg(any(test, fuzzing))]
    pub(crate) const ALL: [Self; 12] = [
        Self::Text,
        Self::LowercaseText,
        Self::Int,
        Self::Bool,
        Self::Seconds,
        Self::Time,
        Self::Map,
        Self::Texts,
        Self::CommaTexts,
        Self::MapOfLists,
        Self::TextsOrObjects,
        Self::Objects,
    ];

    /// The kind as help texts call it. Source: `FieldType.String` of Vault's SDK.
    #[must_use]
    pub(crate) fn help_name(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::LowercaseText => "lowercase string",
            Self::Int => "int",
            Self::Bool => "bool",
            Self::Seconds => "duration (sec)",
            Self::Time => "time",
            Self::Map | Self::MapOfLists => "map",
            Self::Texts | Self::CommaTexts | Self::TextsOrObjects | Self::Objects => "slice",
        }
    }
}

/// How a field of the path may be spelled there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelling {
    Any,
    LowerCase,
}

/// What an empty text means where the kind has no texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EmptyText {
    /// Zero, as in Vault's SDK.
    Zero,
    /// Nothing that anybody means.
    Refused,
}

/// Where the documentation says that a field is given, unless the path captures it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Body,
    Query,
}

/// One field of a path. Apart from name, kind, default, spelling and what an empty text means, all of it
/// is documentation.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) description: &'static str,
    pub(crate) default: Option<Value>,
    pub(crate) required: bool,
    pub(crate) deprecated: bool,
    pub(crate) place: Place,
    pub(crate) spelling: Spelling,
    pub(crate) empty_text: EmptyText,
    pub(crate) allowed: &'static [&'static str],
    pub(crate) sensitive: bool,
}

/// One constructor a kind.
macro_rules! constructors {
    ($($(#[$about:meta])* $constructor:ident => $kind:ident;)*) => {
        impl Field {$(
            $(#[$about])*
            #[must_use]
            pub(crate) fn $constructor(name: &'static str) -> Self {
                Self::of(Kind::$kind, name)
            }
        )*}
    };
}

constructors! {
    /// A field of [`Kind::Text`].
    text => Text;
    /// A field of [`Kind::LowercaseText`].
    lowercase => LowercaseText;
    /// A field of [`Kind::Int`].
    int => Int;
    /// A field of [`Kind::Bool`].
    boolean => Bool;
    /// A field of [`Kind::Seconds`].
    seconds => Seconds;
    /// A field of [`Kind::Time`].
    time => Time;
    /// A field of [`Kind::Map`].
    map => Map;
    /// A field of [`Kind::Texts`].
    texts => Texts;
    /// A field of [`Kind::CommaTexts`].
    comma_texts => CommaTexts;
    /// A field of [`Kind::MapOfLists`].
    map_of_lists => MapOfLists;
    /// A field of [`Kind::TextsOrObjects`].
    texts_or_objects => TextsOrObjects;
    /// A field of [`Kind::Objects`].
    objects => Objects;
}

impl Field {
    /// A field of any kind.
    #[must_use]
    pub(crate) fn of(kind: Kind, name: &'static str) -> Self {
        Self {
            name,
            kind,
            description: "",
            default: None,
            required: false,
            deprecated: false,
            place: Place::Body,
            spelling: Spelling::Any,
            empty_text: EmptyText::Zero,
            allowed: &[],
            sensitive: false,
        }
    }

    /// What the field means, for help and `OpenAPI`.
    #[must_use]
    pub(crate) fn about(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }

    /// Documents what counts where the field is absent; the engine sees to it.
    ///
    /// Who switches something off says so: where true is the default, an empty text is refused and `null`
    /// is not given, though either would be false elsewhere.
    #[must_use]
    pub(crate) fn default(mut self, value: impl Into<Value>) -> Self {
        self.default = Some(value.into());
        if self.is_on_by_default() {
            self.empty_text = EmptyText::Refused;
        }
        self
    }

    /// Whether it is true where it is absent.
    pub(super) fn is_on_by_default(&self) -> bool {
        self.default == Some(Value::Bool(true))
    }

    /// Documents that the field must be given; the engine checks it.
    #[must_use]
    pub(crate) fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Documents that the field should no longer be used.
    #[must_use]
    pub(crate) fn deprecated(mut self) -> Self {
        self.deprecated = true;
        self
    }

    /// Documents that the value is secret, so that user interfaces mask it.
    #[must_use]
    pub(crate) fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }

    /// Documents that the field is a query parameter.
    #[must_use]
    pub(crate) fn query(mut self) -> Self {
        self.place = Place::Query;
        self
    }

    /// Of a field of the path: a request that spells it with upper-case letters is refused.
    ///
    /// Access rules and lease prefixes go by the path as it was asked. A host that does not ask for
    /// canonical paths (`HashiCorp` Vault) would let `PROD` past a rule for `prod`.
    #[must_use]
    pub(crate) fn refuse_upper_case(mut self) -> Self {
        self.spelling = Spelling::LowerCase;
        self
    }

    /// Refuses an empty text, which would be zero or false.
    ///
    /// A variable of the shell that is not set gives one, and must not pass for an order.
    #[must_use]
    pub(crate) fn refuse_empty_text(mut self) -> Self {
        self.empty_text = EmptyText::Refused;
        self
    }

    /// Documents the values that make sense; the engine checks them.
    #[must_use]
    pub(crate) fn one_of(mut self, allowed: &'static [&'static str]) -> Self {
        self.allowed = allowed;
        self
    }
}
