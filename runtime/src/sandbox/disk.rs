//! An empty view of the disk, by two ways that do not depend on each other: a root directory
//! that is empty and read-only, and landlock's refusal of every access.

use landlock::{
    ABI, Access, AccessFs, AccessNet, LandlockStatus, Ruleset, RulesetAttr, RulesetError,
    RulesetStatus, Scope,
};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, mount_remount, unmount,
};
use rustix::process::{chdir, pivot_root};
use rustix::thread::UnshareFlags;

use super::namespace::unshare;

/// Exists wherever the namespaces do, and is needed no more.
const MOUNT_POINT: &str = "/proc";

/// The newest landlock that is known here; the kernel takes what it knows of it.
const LANDLOCK: ABI = ABI::V10;

/// Makes an empty directory the root, and detaches the host's.
pub(super) fn empty_root() -> Result<(), String> {
    unshare(UnshareFlags::NEWNS)?;
    swap_root().map_err(|why| format!("the namespace is granted, but not its mounts: {why}"))
}

fn swap_root() -> rustix::io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    mount("none", MOUNT_POINT, "tmpfs", flags, c"size=4k,nr_inodes=1,mode=000")?;
    chdir(MOUNT_POINT)?;
    // With the same directory twice the old root lies on the new one until it is detached.
    pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    chdir("/")?;
    mount_remount("/", flags | MountFlags::BIND | MountFlags::RDONLY, "")
}

/// Denies every access to files, and what else this kernel's landlock can deny.
pub(super) fn landlock() -> Result<(), String> {
    let status = deny_all().map_err(|why| why.to_string())?;
    match (status.ruleset, status.landlock) {
        (RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced, _) => Ok(()),
        (_, LandlockStatus::NotEnabled) => {
            Err("not enabled; add `landlock` to the kernel's boot parameter lsm=".to_owned())
        }
        _ => Err("this kernel does not have it".to_owned()),
    }
}

fn deny_all() -> Result<landlock::RestrictionStatus, RulesetError> {
    Ruleset::default()
        .handle_access(AccessFs::from_all(LANDLOCK))?
        .handle_access(AccessNet::from_all(LANDLOCK))?
        .scope(Scope::from_all(LANDLOCK))?
        .create()?
        .restrict_self()
}
