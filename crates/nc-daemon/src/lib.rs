//! What being one of the daemons means: logs, readiness, watchdog, sockets, doorbells, orderly stop.
