#include "tools/fio/ballast_fio_client.h"

#include <cstdio>

#include "base/log.h"
#include "tools/fio/client.h"
#include "tools/fio/status_errno.h"

using ballast::fio::Client;
using ballast::fio::ClientOptions;

namespace {

constexpr int k_line_bytes_max = 512;

// The names of the C face stand for the C++ objects themselves.
Client& client_of(ballast_fio_client* client) { return *reinterpret_cast<Client*>(client); }
Client::Request& request_of(ballast_fio_request* request) {
  return *reinterpret_cast<Client::Request*>(request);
}

void write_to(void* write_line, ballast::LogLevel level, const char* room, std::string_view line) {
  if (level < ballast::LogLevel::warning) return;
  char text[k_line_bytes_max];
  std::snprintf(text, sizeof(text), "ballast: %s: %s: %.*s",
                level == ballast::LogLevel::error ? "error" : "warning", room, static_cast<int>(line.size()),
                line.data());
  reinterpret_cast<void (*)(const char*)>(write_line)(text);
}

}  // namespace

void ballast_fio_set_log(void (*write_line)(const char* line)) {
  ballast::set_log_sink(&write_to, reinterpret_cast<void*>(write_line));
}

int ballast_fio_connect(const ballast_fio_options* options, ballast_fio_client** client, char* error,
                        size_t error_bytes) {
  ClientOptions wanted;
  wanted.uri = options->uri != nullptr ? options->uri : "";
  wanted.host_nqn = options->host_nqn != nullptr ? options->host_nqn : "";
  wanted.host_id = options->host_id != nullptr ? options->host_id : "";
  wanted.nsid = options->nsid;
  wanted.queue_depth = options->queue_depth;
  wanted.spin_us = options->spin_us;
  wanted.header_digest = options->header_digest;
  wanted.data_digest = options->data_digest;
  wanted.keep_alive_ms = options->keep_alive_s * 1000;
  wanted.ctrl_loss_timeout_ns = options->ctrl_loss_s < 0
                                    ? ballast::initiator::k_never_gives_up
                                    : static_cast<uint64_t>(options->ctrl_loss_s) * ballast::k_ns_per_s;
  wanted.stop_requested = options->stop_requested;
  wanted.on_send = options->on_send;
  wanted.context = options->context;
  auto connected = Client::connect(wanted);
  if (!connected.ok()) {
    const std::string& text = connected.error().text;
    std::snprintf(error, error_bytes, "%s",
                  text.empty() ? ballast::errc_text(connected.errc()) : text.c_str());
    return ballast::fio::errno_of(connected.errc());
  }
  *client = reinterpret_cast<ballast_fio_client*>(connected.value().release());
  return 0;
}

void ballast_fio_close(ballast_fio_client* client) { delete &client_of(client); }

const ballast_fio_volume* ballast_fio_volume_of(const ballast_fio_client* client) {
  return &reinterpret_cast<const Client*>(client)->volume();
}

ballast_fio_request* ballast_fio_attach(ballast_fio_client* client, uint32_t index, void* owner) {
  return reinterpret_cast<ballast_fio_request*>(&client_of(client).attach(index, owner));
}

int ballast_fio_submit(ballast_fio_request* request, ballast_fio_operation operation, uint64_t offset,
                       void* data, uint64_t length_bytes) {
  Client::Request& wanted = request_of(request);
  return wanted.client->submit(wanted, operation, offset, data, length_bytes);
}

void ballast_fio_send_held(ballast_fio_client* client) { client_of(client).send_held(); }

uint32_t ballast_fio_collect(ballast_fio_client* client, uint32_t min, uint32_t max) {
  return client_of(client).collect(min, max);
}

void* ballast_fio_collected(ballast_fio_client* client, uint32_t index, int* error) {
  const Client::Request& request = client_of(client).collected(index);
  *error = request.error;
  return request.owner;
}
