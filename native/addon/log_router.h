// The data plane's log lines belong to the process; this hands each of them to every environment that
// listens, or writes warnings and errors to stderr when none does.
#pragma once

namespace ballast::addon {

class Environment;

// Once per process, before any engine starts: later calls do nothing.
void install_log_router();
// JavaScript thread of the environment. After detach_log() no line reaches it.
void attach_log(Environment& environment);
void detach_log(Environment& environment);

}  // namespace ballast::addon
