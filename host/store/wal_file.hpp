// SQLite writes its write-ahead log in small pieces, two for each page. Here they are collected and
// written at once when the log is synced, read, measured or cut, which is before anybody may rely
// on them: a commit is answered after its sync. Any thread; the files belong to SQLite.
#pragma once

namespace viaduct::store {

// The name of the VFS for sqlite3_open_v2; null when it cannot be had: the default one serves too.
const char* collecting_vfs();

}  // namespace viaduct::store
