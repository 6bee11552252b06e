use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::{Executable, candidates, without_mark};

fn found(name: &str, search: &str) -> Vec<PathBuf> {
    let directory = Some(Path::new("/srv/app"));
    candidates(OsStr::new(name), directory, OsStr::new(search))
}

#[test]
fn a_program_is_found_as_a_shell_finds_it() {
    let path = |text: &str| vec![PathBuf::from(text)];
    assert_eq!(found("/usr/bin/chat", "/bin"), path("/usr/bin/chat"));
    assert_eq!(found("./chat", "/bin"), path("/srv/app/./chat"));
    assert_eq!(found("bin/chat", "/bin"), path("/srv/app/bin/chat"));
    assert_eq!(found("", "/bin"), Vec::<PathBuf>::new());
    assert_eq!(
        found("chat", "/usr/bin:local:/bin"),
        [
            PathBuf::from("/usr/bin/chat"),
            PathBuf::from("/srv/app/local/chat"),
            PathBuf::from("/bin/chat")
        ]
    );
}

#[test]
fn the_mark_of_a_deleted_program_is_no_part_of_its_path() {
    let unmarked = |text: &str| without_mark(PathBuf::from(text));
    assert_eq!(
        unmarked("/usr/bin/chat (deleted)"),
        Path::new("/usr/bin/chat")
    );
    assert_eq!(unmarked("/usr/bin/chat"), Path::new("/usr/bin/chat"));
}

#[test]
fn this_program_is_where_it_was_started_from() {
    let program = Executable::current().unwrap();
    assert_eq!(
        program.path().canonicalize().unwrap(),
        std::env::current_exe().unwrap().canonicalize().unwrap()
    );
    let name = |command: std::process::Command| command.get_program().to_owned();
    assert_eq!(name(program.same()), "/proc/self/exe");
    assert_eq!(Path::new(&name(program.newest())), program.path());
    // Relative paths of the arguments belong to the directory of the start, and it has not changed.
    assert_eq!(program.newest().get_current_dir(), None);
}
