//! The container's side of the mailbox: reads `inbound.db`, writes `outbound.db`.
