// The C face of the client, for the shim that is compiled against fio's own headers, which are C only. A
// client belongs to the thread that made it. What ends in an error says so in a text for a human; nothing is
// printed but through the log function.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ballast_fio_client;
struct ballast_fio_request;

struct ballast_fio_options {
  const char* uri;       // tcp://HOST[:PORT]/NQN
  const char* host_nqn;  // null: one made for this process
  const char* host_id;   // null: the UUID in the host NQN
  uint32_t nsid;
  uint32_t queue_depth;  // indexes of requests are below it
  uint32_t spin_us;      // how long an idle wait spins before it sleeps
  bool header_digest;
  bool data_digest;
  uint32_t keep_alive_s;  // 0: none
  int32_t ctrl_loss_s;    // how long a lost target is tried for; negative: for ever
  // Asked now and then while a lost target is waited for: true gives the I/O up. May be null.
  bool (*stop_requested)(void* context);
  // Told of the owners of requests that leave now. May be null.
  void (*on_send)(void* context, void* const* owners, uint32_t count);
  void* context;
};

struct ballast_fio_volume {
  uint64_t size_bytes;
  uint32_t block_bytes;
  uint32_t transfer_bytes_max;  // of a read or write
  bool supports_deallocate;
};

enum ballast_fio_operation {
  BALLAST_FIO_READ,
  BALLAST_FIO_WRITE,
  BALLAST_FIO_FLUSH,
  BALLAST_FIO_DEALLOCATE,
};

// Of ballast_fio_submit(): no room now; some request must be collected first.
#define BALLAST_FIO_FULL (-1)

// Warnings and errors of every client, one line without its end each. Set once, before the first connect.
void ballast_fio_set_log(void (*write_line)(const char* line));

// 0, or an errno with a sentence in `error`.
int ballast_fio_connect(const struct ballast_fio_options* options, struct ballast_fio_client** client,
                        char* error, size_t error_bytes);
void ballast_fio_close(struct ballast_fio_client* client);
const struct ballast_fio_volume* ballast_fio_volume_of(const struct ballast_fio_client* client);

// The request with this index, for good; `owner` is what ballast_fio_collected() returns.
struct ballast_fio_request* ballast_fio_attach(struct ballast_fio_client* client, uint32_t index,
                                               void* owner);
// 0: taken. BALLAST_FIO_FULL, or the errno that refuses it. `data` stays valid until it is collected. It is
// held back to leave together with others: with the next collect that has to look for finished ones, or when
// many are held.
int ballast_fio_submit(struct ballast_fio_request* request, enum ballast_fio_operation operation,
                       uint64_t offset, void* data, uint64_t length_bytes);
// Sends what is held back.
void ballast_fio_send_held(struct ballast_fio_client* client);
// Waits until `min` requests have finished, and takes at most `max` (>= 1) of the finished ones.
uint32_t ballast_fio_collect(struct ballast_fio_client* client, uint32_t min, uint32_t max);
// The owner of one of those that the last collect took, and the errno of its I/O, 0 for success.
void* ballast_fio_collected(struct ballast_fio_client* client, uint32_t index, int* error);

#ifdef __cplusplus
}
#endif
