//! The commands by which pages have users check a release: none is printed without what makes it one.

use std::fs;

use super::pages;

/// The blocks of commands of a page, without those of setup.
fn blocks(text: &str) -> Vec<&str> {
    let blocks = text.split("```console\n").skip(1);
    blocks.filter_map(|rest| rest.split("```").next()).collect()
}

/// Whether the sums are checked without their signature: in this block, or in the one before.
fn lacks_signature(blocks: &[&str], at: usize) -> bool {
    let before = at.checked_sub(1).map_or("", |before| blocks[before]);
    let block = blocks[at];
    let Some(sums) = block.find("sha256sum --check --ignore-missing SHA256SUMS") else {
        return false;
    };
    !before.contains("minisign -V") && !block[..sums].contains("minisign -V")
}

/// Whether an attestation by any workflow, of any branch, would do.
fn is_loose(block: &str) -> bool {
    block.contains("gh attestation verify")
        && !(block.contains("--signer-workflow") && block.contains("--source-ref refs/tags/v"))
}

#[test]
fn the_pages_check_no_sums_without_signature_and_no_loose_attestation() {
    let (mut checks, mut wrong) = (0, Vec::new());
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        let blocks = blocks(&text);
        for (at, block) in blocks.iter().enumerate() {
            checks += block.matches("sha256sum --check --ignore-missing").count();
            checks += block.matches("gh attestation verify").count();
            if lacks_signature(&blocks, at) || is_loose(block) {
                wrong.push(format!("{}: {block}", page.display()));
            }
        }
    }
    assert!(checks > 3, "only {checks}: is the search right?");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn sums_alone_are_no_check() {
    let sums = "$ sha256sum --check --ignore-missing SHA256SUMS\n";
    let signature = "$ minisign -V -m SHA256SUMS -P \"$KEY\"\n";
    assert!(lacks_signature(&[sums], 0));
    assert!(lacks_signature(&[signature, "$ ls\n", sums], 2));
    assert!(!lacks_signature(&[signature, sums], 1));
    assert!(!lacks_signature(&[&format!("{signature}{sums}")], 0));
    assert!(is_loose("$ gh attestation verify FILE --repo OWNER/NAME"));
}
