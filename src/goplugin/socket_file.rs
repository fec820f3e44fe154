//! The file of the main socket: where it lies, whose it is, and who may open it.

use std::{
    fs::FileType,
    io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
    time::SystemTime,
};

use tokio::net::UnixListener;

use crate::base::{Entropy, base62};

/// Where groups have their names. The system's own lookup loads modules of the host, which a static binary
/// must not.
const GROUPS: &str = "/etc/group";
/// How often a new name is drawn when the one before is taken.
const NAME_ATTEMPTS: usize = 8;

/// Why the socket cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    /// It could not be made.
    #[error("cannot make the socket {}: {}", path.display(), advice(source.kind()))]
    Bind {
        /// The last path that was tried.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The group is neither a number nor known.
    #[error("PLUGIN_UNIX_SOCKET_GROUP is neither a number nor a group in /etc/group: {0:?}")]
    UnknownGroup(String),
    /// The group exists and the file cannot be handed to it.
    #[error(
        "cannot hand the socket to the group in PLUGIN_UNIX_SOCKET_GROUP; add the user that the plugin runs as to \
         that group"
    )]
    Permissions(#[source] io::Error),
}

fn advice(kind: io::ErrorKind) -> &'static str {
    use io::ErrorKind::{
        InvalidInput, NotADirectory, NotFound, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem,
        StorageFull,
    };
    match kind {
        NotFound => {
            "its folder does not exist; make it, or name another by TMPDIR in the server's environment"
        }
        PermissionDenied | ReadOnlyFilesystem => {
            "its folder is not writable for the server's user; change that, or name another by TMPDIR in \
             the server's environment"
        }
        NotADirectory => {
            "a file lies where its folder should be; name a folder by TMPDIR in the server's environment"
        }
        StorageFull | QuotaExceeded => {
            "no file can be added where its folder lies (df and df -i show how full that is); make room, or name \
             another by TMPDIR in the server's environment"
        }
        InvalidInput => {
            "no socket may have a path longer than 107 bytes; name a shorter folder by TMPDIR in the \
             server's environment"
        }
        _ => "name another folder by TMPDIR in the server's environment",
    }
}

/// Tells a file from another one of its name. A number that is free is given out again, so that the kind
/// and the time of the beginning, where the system tells it, count as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
    kind: FileType,
    born: Option<SystemTime>,
}

impl FileId {
    /// Of what lies at `path`, be it a link.
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = std::fs::symlink_metadata(path)?;
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            kind: metadata.file_type(),
            born: metadata.created().ok(),
        })
    }
}

/// What lies where the socket was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// The socket, as far as the system tells.
    Own,
    /// Nothing.
    Gone,
    /// What somebody else put there.
    Another,
}

/// The file of a socket; it is removed when this is dropped.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// The file as it was made.
    made: Option<FileId>,
    /// The group that may connect too.
    group: Option<u32>,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Nothing can be done about a file that somebody else removed or guards.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl SocketFile {
    /// Makes a socket of a new name in `directory`, for `group`, too.
    pub(super) fn bind(
        directory: &Path,
        group: Option<&str>,
        entropy: &dyn Entropy,
    ) -> Result<(UnixListener, Self), SocketError> {
        let group = group.filter(|group| !group.is_empty());
        let group = group.map(group_id).transpose()?;
        let (socket, path) = bind_new_name(directory, entropy)?;
        let mut file = Self {
            path,
            made: None,
            group,
        };
        file.hand_over()?;
        file.made = FileId::of(&file.path).ok();
        Ok((socket, file))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What is there now.
    pub(super) fn found(&self) -> Found {
        match FileId::of(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Found::Gone,
            Ok(found) if self.made.is_some_and(|made| made != found) => Found::Another,
            _ => Found::Own,
        }
    }

    /// Makes a socket of the same name.
    pub(super) fn bind_again(&mut self) -> Result<UnixListener, SocketError> {
        let path = &self.path;
        let socket = UnixListener::bind(path).map_err(|source| unbound(path, source))?;
        if let Err(error) = self.hand_over() {
            // One that the host cannot open would hide that it is needed.
            let _ = std::fs::remove_file(path);
            return Err(error);
        }
        self.made = FileId::of(path).ok();
        Ok(socket)
    }

    /// Lets the group connect too.
    fn hand_over(&self) -> Result<(), SocketError> {
        if self.group.is_some() {
            chown(&self.path, None, self.group).map_err(SocketError::Permissions)?;
            let mode = std::fs::Permissions::from_mode(0o660);
            std::fs::set_permissions(&self.path, mode).map_err(SocketError::Permissions)?;
        }
        Ok(())
    }
}

fn unbound(path: &Path, source: io::Error) -> SocketError {
    SocketError::Bind {
        path: path.to_owned(),
        source,
    }
}

fn bind_new_name(
    directory: &Path,
    entropy: &dyn Entropy,
) -> Result<(UnixListener, PathBuf), SocketError> {
    let directory = std::path::absolute(directory).map_err(|error| unbound(directory, error))?;
    let mut attempt = 0;
    loop {
        attempt += 1;
        let path = directory.join(format!("plugin{}", base62(entropy, 12)));
        match UnixListener::bind(&path) {
            Ok(socket) => return Ok((socket, path)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempt < NAME_ATTEMPTS => {}
            Err(error) => return Err(unbound(&path, error)),
        }
    }
}

fn group_id(group: &str) -> Result<u32, SocketError> {
    if let Ok(id) = group.parse() {
        return Ok(id);
    }
    std::fs::read(GROUPS)
        .ok()
        .and_then(|groups| named_group(&groups, group))
        .ok_or_else(|| SocketError::UnknownGroup(group.to_owned()))
}

/// The id of a group of that name: group(5), `name:password:id:members` in each line. What is not UTF-8
/// in other lines hides no group.
pub(super) fn named_group(groups: &[u8], name: &str) -> Option<u32> {
    String::from_utf8_lossy(groups).lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_a_number_or_a_known_name() {
        assert_eq!(group_id("4711").unwrap(), 4711);
        assert_eq!(group_id("root").unwrap(), 0);
        assert!(matches!(
            group_id("no such group"),
            Err(SocketError::UnknownGroup(_))
        ));
    }

    /// What the system says is taken for what it means.
    #[test]
    fn a_full_folder_is_told_from_one_that_is_not_writable() {
        use nix::errno::Errno;
        for (errno, want) in [
            (Errno::ENOSPC, "no file can be added"),
            (Errno::EDQUOT, "no file can be added"),
            (Errno::ENOTDIR, "a file lies where"),
            (Errno::EROFS, "its folder is not writable"),
            (Errno::EACCES, "its folder is not writable"),
            (Errno::ENOENT, "its folder does not exist"),
            (Errno::EIO, "name another folder"),
        ] {
            let told = unbound(Path::new("/x/plugin1"), io::Error::from(errno)).to_string();
            assert!(
                told.starts_with(&format!("cannot make the socket /x/plugin1: {want}")),
                "{told}"
            );
        }
    }

    #[test]
    fn a_group_is_found_by_its_whole_name() {
        let groups = b"root:x:0:\nb\xfccher:x:16:m\xfcller\nopenbao-admin:x:17:eve\nbroken\n\
                       openbao:x:4711:a,b\nodd:x:many:\n";
        assert_eq!(named_group(groups, "openbao"), Some(4711));
        assert_eq!(named_group(groups, "openbao-admin"), Some(17));
        for unknown in ["", "bao", "eve", "broken", "odd"] {
            assert_eq!(named_group(groups, unknown), None, "{unknown}");
        }
    }
}
