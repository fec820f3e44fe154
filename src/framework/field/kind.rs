//! What a field is: its name, the kind of value it takes, and its documentation.

use serde_json::Value;

use super::value::FieldValue;
use crate::framework::display::Display;

/// The kind of value a field takes. What each kind accepts is told at [`super::decode`].
/// Source: the field types of Vault's SDK framework, apart from [`Kind::MapOfLists`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Text; numbers and booleans are taken as text.
    Text,
    /// Text that is lower-cased.
    LowercaseText,
    /// Text in the form of a generic name, such as `my-role.1`.
    NameText,
    /// An integer.
    Int,
    /// An integer that the documentation calls 64 bits wide.
    Int64,
    /// A number.
    Float,
    /// True or false.
    Bool,
    /// A duration of whole seconds, not negative.
    Seconds,
    /// A duration of whole seconds that may be negative.
    SignedSeconds,
    /// A moment.
    Time,
    /// A JSON object.
    Map,
    /// Pairs of text.
    Pairs,
    /// A list of anything.
    List,
    /// A list of text; one text is a list of one.
    Texts,
    /// A list of text; one text is split at commas.
    CommaTexts,
    /// A list of integers; a text is split at commas.
    CommaInts,
    /// HTTP headers.
    Header,
    /// A JSON object, or its text, of lists of text; our own addition.
    MapOfLists,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 18] = [
        Self::Text,
        Self::LowercaseText,
        Self::NameText,
        Self::Int,
        Self::Int64,
        Self::Float,
        Self::Bool,
        Self::Seconds,
        Self::SignedSeconds,
        Self::Time,
        Self::Map,
        Self::Pairs,
        Self::List,
        Self::Texts,
        Self::CommaTexts,
        Self::CommaInts,
        Self::Header,
        Self::MapOfLists,
    ];

    /// The kind as help texts call it. Source: `FieldType.String` of Vault's SDK.
    #[must_use]
    pub fn help_name(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::LowercaseText => "lowercase string",
            Self::NameText => "name string",
            Self::Int => "int",
            Self::Int64 => "int64",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::Seconds | Self::SignedSeconds => "duration (sec)",
            Self::Time => "time",
            Self::Map | Self::MapOfLists => "map",
            Self::Pairs => "keypair",
            Self::List | Self::Texts | Self::CommaTexts | Self::CommaInts => "slice",
            Self::Header => "header",
        }
    }

    /// The value of a field that is neither given nor has a default; a time has none.
    #[must_use]
    pub(super) fn zero(self) -> Option<FieldValue> {
        Some(match self {
            Self::Text | Self::LowercaseText | Self::NameText => FieldValue::Text(String::new()),
            Self::Int | Self::Int64 => FieldValue::Int(0),
            Self::Float => FieldValue::Float(0.0),
            Self::Bool => FieldValue::Bool(false),
            Self::Seconds => FieldValue::Duration(std::time::Duration::ZERO),
            Self::SignedSeconds => FieldValue::SignedSeconds(0),
            Self::Time => return None,
            Self::Map => FieldValue::Map(serde_json::Map::new()),
            Self::Pairs => FieldValue::Pairs([].into()),
            Self::List => FieldValue::List(Vec::new()),
            Self::Texts | Self::CommaTexts => FieldValue::Texts(Vec::new()),
            Self::CommaInts => FieldValue::Ints(Vec::new()),
            Self::Header | Self::MapOfLists => FieldValue::Lists([].into()),
        })
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

/// One field of a path. Apart from name, kind, default, spelling and what an empty text means, all of it
/// is documentation.
#[derive(Debug, Clone)]
pub struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) description: &'static str,
    pub(crate) default: Option<Value>,
    pub(crate) required: bool,
    pub(crate) deprecated: bool,
    pub(crate) query: bool,
    pub(crate) spelling: Spelling,
    pub(crate) empty_text: EmptyText,
    pub(crate) allowed: &'static [&'static str],
    pub(crate) display: Display,
}

/// One constructor a kind.
macro_rules! constructors {
    ($($(#[$about:meta])* $constructor:ident => $kind:ident;)*) => {
        impl Field {$(
            $(#[$about])*
            #[must_use]
            pub fn $constructor(name: &'static str) -> Self {
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
    /// A field of [`Kind::NameText`].
    name => NameText;
    /// A field of [`Kind::Int`].
    int => Int;
    /// A field of [`Kind::Float`].
    float => Float;
    /// A field of [`Kind::Bool`].
    boolean => Bool;
    /// A field of [`Kind::Seconds`].
    seconds => Seconds;
    /// A field of [`Kind::SignedSeconds`].
    signed_seconds => SignedSeconds;
    /// A field of [`Kind::Time`].
    time => Time;
    /// A field of [`Kind::Map`].
    map => Map;
    /// A field of [`Kind::Pairs`].
    pairs => Pairs;
    /// A field of [`Kind::List`].
    list => List;
    /// A field of [`Kind::Texts`].
    texts => Texts;
    /// A field of [`Kind::CommaTexts`].
    comma_texts => CommaTexts;
    /// A field of [`Kind::CommaInts`].
    comma_ints => CommaInts;
    /// A field of [`Kind::Header`].
    header => Header;
    /// A field of [`Kind::MapOfLists`].
    map_of_lists => MapOfLists;
}

impl Field {
    /// A field of any kind.
    #[must_use]
    pub fn of(kind: Kind, name: &'static str) -> Self {
        Self {
            name,
            kind,
            description: "",
            default: None,
            required: false,
            deprecated: false,
            query: false,
            spelling: Spelling::Any,
            empty_text: EmptyText::Zero,
            allowed: &[],
            display: Display::default(),
        }
    }

    /// What the field means, for help and `OpenAPI`.
    #[must_use]
    pub fn about(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }

    /// What [`Fields::read_or_default`](super::Fields::read_or_default) answers for an absent
    /// field; taken as input of the field's kind, so `"1h"` does for a duration.
    #[must_use]
    pub fn default(mut self, value: impl Into<Value>) -> Self {
        self.default = Some(value.into());
        self
    }

    /// Documents that the field must be given; the engine checks it.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Documents that the field should no longer be used.
    #[must_use]
    pub fn deprecated(mut self) -> Self {
        self.deprecated = true;
        self
    }

    /// Documents that the value is secret, so that user interfaces mask it.
    #[must_use]
    pub fn sensitive(mut self) -> Self {
        self.display.sensitive = true;
        self
    }

    /// Documents that the field is a query parameter.
    #[must_use]
    pub fn query(mut self) -> Self {
        self.query = true;
        self
    }

    /// Of a field of the path: a request that spells it with upper-case letters is refused.
    ///
    /// Access rules and lease prefixes go by the path as it was asked. A host that does not ask for
    /// canonical paths (`HashiCorp` Vault) would let `PROD` past a rule for `prod`.
    #[must_use]
    pub fn refuse_upper_case(mut self) -> Self {
        self.spelling = Spelling::LowerCase;
        self
    }

    /// Refuses an empty text, which would be zero or false.
    ///
    /// A variable of the shell that is not set gives one, and must not pass for an order.
    #[must_use]
    pub fn refuse_empty_text(mut self) -> Self {
        self.empty_text = EmptyText::Refused;
        self
    }

    /// Documents the values that make sense; the engine checks them.
    #[must_use]
    pub fn one_of(mut self, allowed: &'static [&'static str]) -> Self {
        self.allowed = allowed;
        self
    }

    /// How user interfaces show the field.
    #[must_use]
    pub fn display(mut self, display: Display) -> Self {
        let sensitive = self.display.sensitive;
        self.display = display;
        self.display.sensitive |= sensitive;
        self
    }
}
