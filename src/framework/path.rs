//! A path that can be asked: pattern, fields, operations and help, built by chaining.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::call::{Call, Handler, handler};
use super::display::Display;
use super::field::Field;
use super::pattern::Pattern;
use crate::vault::{Failure, Operation, Response};

/// Which of a path's operations a standby or secondary leaves to the active node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Forwarding {
    Nothing,
    Writes,
    Everything,
    ByHandler,
}

/// One row of an engine's table of paths.
///
/// ```text
/// Path::new("roles/{name}")
///     .help("Manage roles.", "A role says which credentials are issued.")
///     .field(Field::lowercase("name").about("Name of the role."))
///     .field(Field::seconds("ttl").about("Lease time; 0 means the mount's default."))
///     .exists(roles::exists)
///     .on(Operation::Read, roles::read)
///     .on_write(roles::write)
///     .writes_forwarded()
/// ```
pub(crate) struct Path<E> {
    pub(super) pattern: Pattern,
    pub(super) fields: Vec<Field>,
    pub(super) synopsis: &'static str,
    pub(super) description: &'static str,
    pub(super) operations: BTreeMap<Operation, PathOperation<E>>,
    pub(super) exists: Option<Handler<E, Call, bool>>,
    pub(super) display: Display,
    forwarding: Forwarding,
}

impl<E: Send + Sync + 'static> Path<E> {
    /// A path of this [template](crate::framework::pattern); its captures are fields, of plain
    /// text unless [`Self::field`] says otherwise.
    #[must_use]
    pub(crate) fn new(template: &'static str) -> Self {
        let pattern = Pattern::new(template);
        Self {
            fields: pattern.names().map(Field::text).collect(),
            pattern,
            synopsis: "",
            description: "",
            operations: BTreeMap::new(),
            exists: None,
            display: Display::default(),
            forwarding: Forwarding::Nothing,
        }
    }

    /// Synopsis (a line) and description (paragraphs) for help and `OpenAPI`.
    #[must_use]
    pub(crate) fn help(self, synopsis: &'static str, description: &'static str) -> Self {
        self.synopsis(synopsis).description(description)
    }

    /// What the path is for, in a line.
    #[must_use]
    pub(crate) fn synopsis(mut self, synopsis: &'static str) -> Self {
        self.synopsis = synopsis.trim_ascii();
        self
    }

    /// What the path is for, at length.
    #[must_use]
    pub(crate) fn description(mut self, description: &'static str) -> Self {
        self.description = description.trim_ascii();
        self
    }

    /// Declares a field; a later one replaces an earlier one of the same name.
    #[must_use]
    pub(crate) fn field(mut self, field: Field) -> Self {
        match self
            .fields
            .iter_mut()
            .find(|known| known.name == field.name)
        {
            Some(known) => *known = field,
            None => self.fields.push(field),
        }
        self
    }

    /// Declares fields.
    #[must_use]
    pub(crate) fn fields(self, fields: impl IntoIterator<Item = Field>) -> Self {
        fields.into_iter().fold(self, Self::field)
    }

    /// Serves an operation.
    #[must_use]
    pub(crate) fn on<X, Work>(
        self,
        operation: Operation,
        function: impl Fn(Arc<E>, Call) -> Work + Send + Sync + 'static,
    ) -> Self
    where
        Work: Future<Output = Result<Option<Response>, X>> + Send + 'static,
        X: Into<Failure>,
    {
        self.operation(operation, PathOperation::new(function))
    }

    /// Serves create and update with one handler, as a path with [`Self::exists`] needs it.
    #[must_use]
    pub(crate) fn on_write<X, Work>(
        self,
        function: impl Fn(Arc<E>, Call) -> Work + Send + Sync + 'static,
    ) -> Self
    where
        Work: Future<Output = Result<Option<Response>, X>> + Send + 'static,
        X: Into<Failure>,
    {
        let operation = PathOperation::new(function);
        self.operation(Operation::Create, operation.clone())
            .operation(Operation::Update, operation)
    }

    /// Serves an operation that has documentation or flags of its own.
    #[must_use]
    pub(crate) fn operation(mut self, operation: Operation, served: PathOperation<E>) -> Self {
        self.operations.insert(operation, served);
        self
    }

    /// What an operation of the path does, in a line, for `OpenAPI`; the operation must be served.
    #[must_use]
    pub(crate) fn summary(mut self, operation: Operation, summary: &'static str) -> Self {
        if let Some(served) = self.operations.get_mut(&operation) {
            served.summary = summary;
        }
        self
    }

    /// As [`Self::summary`] for create and update alike.
    #[must_use]
    pub(crate) fn summary_of_write(self, summary: &'static str) -> Self {
        self.summary(Operation::Create, summary)
            .summary(Operation::Update, summary)
    }

    /// Tells whether the object of a write is there; it only reads. Without it a write is always
    /// an update.
    #[must_use]
    pub(crate) fn exists<X, Work>(
        mut self,
        function: impl Fn(Arc<E>, Call) -> Work + Send + Sync + 'static,
    ) -> Self
    where
        Work: Future<Output = Result<bool, X>> + Send + 'static,
        X: Into<Failure>,
    {
        self.exists = Some(handler(function));
        self
    }

    /// Leaves every operation to the active node: a standby, and a secondary unless the mount is
    /// local, answers read-only before anything else happens.
    #[must_use]
    pub(crate) fn forwarded(mut self) -> Self {
        self.forwarding = Forwarding::Everything;
        self
    }

    /// As [`Self::forwarded`], where the handler itself asks whether this node may act, side by side with
    /// what else it asks. Before that it may only read.
    #[must_use]
    pub(crate) fn forwarded_by_handler(mut self) -> Self {
        self.forwarding = Forwarding::ByHandler;
        self
    }

    /// As [`Self::forwarded`], for all operations but read and list.
    #[must_use]
    pub(crate) fn writes_forwarded(mut self) -> Self {
        self.forwarding = Forwarding::Writes;
        self
    }

    /// Display attributes of the path, for operations that have none of their own.
    #[must_use]
    pub(crate) fn display(mut self, display: Display) -> Self {
        self.display = display;
        self
    }

    /// Whether the handler sees to it.
    pub(super) fn forwards_by_handler(&self) -> bool {
        self.forwarding == Forwarding::ByHandler
    }

    pub(super) fn forwards(&self, operation: Operation) -> bool {
        match self.forwarding {
            Forwarding::Nothing | Forwarding::ByHandler => false,
            Forwarding::Writes => !matches!(operation, Operation::Read | Operation::List),
            Forwarding::Everything => true,
        }
    }
}

/// How a path serves one operation.
pub(crate) struct PathOperation<E> {
    pub(super) handler: Handler<E, Call, Option<Response>>,
    pub(super) summary: &'static str,
    pub(super) answers: Vec<Answer>,
    pub(super) display: Display,
}

impl<E> Clone for PathOperation<E> {
    fn clone(&self) -> Self {
        Self {
            handler: Arc::clone(&self.handler),
            answers: self.answers.clone(),
            ..*self
        }
    }
}

impl<E: Send + Sync + 'static> PathOperation<E> {
    /// An operation served by this handler.
    pub(crate) fn new<X, Work>(
        function: impl Fn(Arc<E>, Call) -> Work + Send + Sync + 'static,
    ) -> Self
    where
        Work: Future<Output = Result<Option<Response>, X>> + Send + 'static,
        X: Into<Failure>,
    {
        Self {
            handler: handler(function),
            summary: "",
            answers: Vec::new(),
            display: Display::default(),
        }
    }

    /// What the operation does, in a line, for `OpenAPI`.
    #[must_use]
    pub(crate) fn summary(mut self, summary: &'static str) -> Self {
        self.summary = summary;
        self
    }

    /// Documents an answer; without any, 200 (or 204 for a delete) is documented.
    #[must_use]
    pub(crate) fn answers(mut self, answer: Answer) -> Self {
        self.answers.push(answer);
        self
    }

    /// Display attributes; what they leave open is taken from the path.
    #[must_use]
    pub(crate) fn display(mut self, display: Display) -> Self {
        self.display = display;
        self
    }
}

/// A documented answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(super) status: u16,
    pub(super) description: &'static str,
    pub(super) fields: Vec<Field>,
}

impl Answer {
    /// An answer with this HTTP status, and the fields of its data.
    #[must_use]
    pub(crate) fn new(
        status: u16,
        description: &'static str,
        fields: impl IntoIterator<Item = Field>,
    ) -> Self {
        Self {
            status,
            description,
            fields: fields.into_iter().collect(),
        }
    }
}
