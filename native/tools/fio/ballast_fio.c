// ioengine=external:.../ballast_fio.so: what fio calls, put into the words of ballast_fio_client.h. Compiled
// against the source tree of the very fio that loads it (fio.h is its plug-in interface, C only and GPLv2),
// as an opt-in target that is never distributed.
//
// setup() runs on fio's main thread, for every job: it connects, learns the size and closes. Everything from
// init() to cleanup() runs on the job's own thread or process. Nothing is written to stdout, where fio's JSON
// goes.
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "fio.h"
#include "optgroup.h"
#include "tools/fio/ballast_fio_client.h"

struct job_options {
  void* pad;  // fio's
  char* uri;
  char* hostnqn;
  char* hostid;
  unsigned int nsid;
  unsigned int hdgst;
  unsigned int ddgst;
  unsigned int spin_us;
  unsigned int keep_alive_tmo;
  int ctrl_loss_tmo;
};

#define OPTION(option_name, long_name, option_type, help_text, ...)                                     \
  {                                                                                                     \
    .name = #option_name, .lname = long_name, .type = option_type,                                      \
    .off1 = offsetof(struct job_options, option_name), .help = help_text, .category = FIO_OPT_C_ENGINE, \
    .group = FIO_OPT_G_NETIO, __VA_ARGS__                                                               \
  }

static struct fio_option options[] = {
    OPTION(uri, "Target and subsystem", FIO_OPT_STR_STORE, "tcp://HOST[:PORT]/NQN, port 4420 if not given"),
    OPTION(nsid, "Namespace", FIO_OPT_INT, "Number of the namespace in the subsystem", .def = "1",
           .minval = 1),
    OPTION(hdgst, "Header digest", FIO_OPT_BOOL, "CRC32C over PDU headers", .def = "0"),
    OPTION(ddgst, "Data digest", FIO_OPT_BOOL, "CRC32C over the data", .def = "0"),
    OPTION(spin_us, "Spin before sleep", FIO_OPT_INT,
           "Microseconds that a wait for completions spins before it sleeps; 4294967295 never sleeps",
           .def = "50", .maxval = 4294967295ULL),
    OPTION(keep_alive_tmo, "Keep alive", FIO_OPT_INT,
           "Keep alive time-out in seconds, 0 for none; a job that pauses for longer loses its connection",
           .def = "0", .maxval = 4294967),
    OPTION(ctrl_loss_tmo, "Controller loss time-out", FIO_OPT_INT,
           "Seconds that I/O waits for a lost target before it fails; -1 waits for ever", .def = "600",
           .minval = -1, .maxval = 2147483647),
    OPTION(hostnqn, "Host NQN", FIO_OPT_STR_STORE, "Who we are; a random one for each run if not given"),
    OPTION(hostid, "Host identifier", FIO_OPT_STR_STORE,
           "UUID that goes with hostnqn; the one in it if not given"),
    {.name = NULL},
};

// The name that fio looks for.
__attribute__((visibility("default"))) extern struct ioengine_ops ioengine;

static void write_line(const char* line) { log_err("%s\n", line); }

__attribute__((constructor)) static void on_load(void) { ballast_fio_set_log(write_line); }

static bool stop_requested(void* context) { return ((struct thread_data*)context)->terminate; }

// fio's submission latency ends here, and the completion latency begins: one look at the clock for all.
static void on_send(void* context, void* const* owners, uint32_t count) {
  struct thread_data* td = context;
  struct timespec now;

  if (!fio_fill_issue_time(td)) return;
  fio_gettime(&now, NULL);
  for (uint32_t i = 0; i < count; i++) {
    struct io_u* io_u = owners[i];
    io_u->issue_time = now;
    io_u_queued(td, io_u);
  }
  if (td->o.read_iolog_file) td->last_issue = now;
}

static struct ballast_fio_client* connect_job(struct thread_data* td) {
  const struct job_options* o = td->eo;
  struct ballast_fio_options wanted = {
      .uri = o->uri,
      .host_nqn = o->hostnqn,
      .host_id = o->hostid,
      .nsid = o->nsid,
      .queue_depth = td->o.iodepth,
      .spin_us = o->spin_us,
      .header_digest = o->hdgst != 0,
      .data_digest = o->ddgst != 0,
      .keep_alive_s = o->keep_alive_tmo,
      .ctrl_loss_s = o->ctrl_loss_tmo,
      .stop_requested = stop_requested,
      .on_send = on_send,
      .context = td,
  };
  char text[512];
  struct ballast_fio_client* client = NULL;
  const int error = ballast_fio_connect(&wanted, &client, text, sizeof(text));
  if (error != 0) {
    log_err("ballast: job %s: %s\n", td->o.name, text);
    td_verror(td, error, "connect");
  }
  return client;
}

static int refuse(struct thread_data* td, const char* what) {
  log_err("ballast: job %s: %s\n", td->o.name, what);
  td_verror(td, EINVAL, "setup");
  return 1;
}

static int check_block_sizes(struct thread_data* td, const struct ballast_fio_volume* volume) {
  const bool used[] = {[DDIR_READ] = td_read(td), [DDIR_WRITE] = td_write(td), [DDIR_TRIM] = td_trim(td)};
  char text[160];

  for (int ddir = DDIR_READ; ddir <= DDIR_TRIM; ddir++) {
    if (!used[ddir]) continue;
    if (td->o.bs_unaligned || td->o.min_bs[ddir] % volume->block_bytes != 0 ||
        td->o.ba[ddir] % volume->block_bytes != 0) {
      snprintf(text, sizeof(text),
               "bs=%llu and blockalign= must be multiples of the namespace's block, %u bytes",
               (unsigned long long)td->o.min_bs[ddir], volume->block_bytes);
      return refuse(td, text);
    }
    if (ddir != DDIR_TRIM && td->o.max_bs[ddir] > volume->transfer_bytes_max) {
      snprintf(text, sizeof(text), "bs=%llu is above the target's limit of %u bytes for one command",
               (unsigned long long)td->o.max_bs[ddir], volume->transfer_bytes_max);
      return refuse(td, text);
    }
  }
  if (td->o.start_offset % volume->block_bytes != 0) {
    return refuse(td, "offset= must be a multiple of the namespace's block");
  }
  if (td_trim(td) && !volume->supports_deallocate) {
    return refuse(td, "the namespace does not support trim (Dataset Management, deallocate)");
  }
  return 0;
}

static int engine_setup(struct thread_data* td) {
  const struct job_options* o = td->eo;

  // The layout of thread_data is not part of what FIO_IOOPS_VERSION promises.
  if (td->io_ops != &ioengine) {
    return refuse(td, "this engine was built for another build of fio");
  }
  if (o->uri == NULL) return refuse(td, "uri=tcp://HOST:PORT/NQN is missing");
  if (td->files_index == 0) {
    add_file(td, "ballast", 0, 0);
    td->o.nr_files = 1;
    td->o.open_files++;
  }
  if (td->files_index > 1) return refuse(td, "a job has one namespace: nrfiles= and filename= say more");

  struct ballast_fio_client* client = connect_job(td);
  if (client == NULL) return 1;
  const struct ballast_fio_volume volume = *ballast_fio_volume_of(client);
  ballast_fio_close(client);

  struct fio_file* file = td->files[0];
  file->real_file_size = volume.size_bytes;
  file->filetype = FIO_TYPE_BLOCK;
  fio_file_set_size_known(file);
  return check_block_sizes(td, &volume);
}

static int engine_init(struct thread_data* td) {
  td->io_ops_data = connect_job(td);
  return td->io_ops_data == NULL;
}

static void engine_cleanup(struct thread_data* td) {
  if (td->io_ops_data != NULL) ballast_fio_close(td->io_ops_data);
}

// index and engine_data share their memory.
static int engine_io_u_init(struct thread_data* td, struct io_u* io_u) {
  io_u->engine_data = ballast_fio_attach(td->io_ops_data, io_u->index, io_u);
  return 0;
}

static int engine_open_file(struct thread_data* td, struct fio_file* file) {
  if (file->file_offset + file->io_size <= file->real_file_size) return 0;
  log_err("ballast: job %s: offset= and size= end at %llu, the namespace has %llu bytes\n", td->o.name,
          (unsigned long long)(file->file_offset + file->io_size), (unsigned long long)file->real_file_size);
  td_verror(td, EINVAL, "open");
  return 1;
}

static int engine_close_file(struct thread_data* td, struct fio_file* file) { return 0; }

static int engine_get_file_size(struct thread_data* td, struct fio_file* file) { return 0; }

static int engine_invalidate(struct thread_data* td, struct fio_file* file) { return 0; }

static enum fio_q_status engine_queue(struct thread_data* td, struct io_u* io_u) {
  enum ballast_fio_operation operation;
  int error;

  fio_ro_check(td, io_u);
  switch (io_u->ddir) {
    case DDIR_READ: operation = BALLAST_FIO_READ; break;
    case DDIR_WRITE: operation = BALLAST_FIO_WRITE; break;
    case DDIR_TRIM: operation = BALLAST_FIO_DEALLOCATE; break;
    case DDIR_SYNC:
    case DDIR_DATASYNC:
    case DDIR_SYNC_FILE_RANGE: operation = BALLAST_FIO_FLUSH; break;
    default: io_u->error = EINVAL; return FIO_Q_COMPLETED;
  }
  error = ballast_fio_submit(io_u->engine_data, operation, io_u->offset, io_u->xfer_buf, io_u->xfer_buflen);
  if (error == 0) return FIO_Q_QUEUED;
  if (error == BALLAST_FIO_FULL) return FIO_Q_BUSY;
  io_u->error = error;
  return FIO_Q_COMPLETED;
}

// Called for every single request unless the job asks for batches: then it is for us to choose when to send.
static int engine_commit(struct thread_data* td) {
  if (td->o.iodepth_batch > 1) ballast_fio_send_held(td->io_ops_data);
  return 0;
}

static int engine_getevents(struct thread_data* td, unsigned int min, unsigned int max,
                            const struct timespec* timeout) {
  return (int)ballast_fio_collect(td->io_ops_data, min, max);
}

static struct io_u* engine_event(struct thread_data* td, int event) {
  int error;
  struct io_u* io_u = ballast_fio_collected(td->io_ops_data, (uint32_t)event, &error);
  io_u->error = (unsigned int)error;
  return io_u;
}

struct ioengine_ops ioengine = {
    .name = "ballast",
    .version = FIO_IOOPS_VERSION,
    .flags = FIO_DISKLESSIO | FIO_NOEXTEND | FIO_NODISKUTIL | FIO_RAWIO | FIO_ASYNCIO_SETS_ISSUE_TIME,
    .setup = engine_setup,
    .init = engine_init,
    .cleanup = engine_cleanup,
    .io_u_init = engine_io_u_init,
    .open_file = engine_open_file,
    .close_file = engine_close_file,
    .get_file_size = engine_get_file_size,
    .invalidate = engine_invalidate,
    .queue = engine_queue,
    .commit = engine_commit,
    .getevents = engine_getevents,
    .event = engine_event,
    .options = options,
    .option_struct_size = sizeof(struct job_options),
};
