//! Keeping our descriptors to ourselves.

use nix::libc;

use crate::SandboxError;

/// Makes every descriptor from 3 on close at the next exec, whoever opened it.
///
/// bubblewrap hands on what it inherits, and whoever started us may have left a directory of the host open. What is opened
/// later is close-on-exec anyway. A kernel older than 5.11 does not know the call, which is an error.
pub(crate) fn close_on_exec_from_3() -> Result<(), SandboxError> {
    #[expect(unsafe_code, reason = "neither std nor nix has close_range")]
    // SAFETY: with CLOSE_RANGE_CLOEXEC the call closes nothing and reads no memory: it only sets a flag on descriptors,
    // and no code here relies on that flag being unset.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    nix::errno::Errno::result(result).map_err(SandboxError::system("set close-on-exec on our descriptors"))?;
    Ok(())
}
