//! The bench on which the machines of the end-to-end tests stand.
