//! The other side: holding sockets for programs, starting them, hearing that they are ready. For `nanoclawctl up` and
//! for tests, where no init system does it.
