#include "attach/ublk_request.h"

#include <bit>
#include <cerrno>

namespace ballast::attach {
namespace {

constexpr uint32_t k_sector_bytes = 512;

UblkRequest refused(int error) {
  UblkRequest request;
  request.error = error;
  return request;
}

}  // namespace

ublk_params ublk_parameters(const bdev::Bdev& device, bool read_only, uint32_t transfer_bytes_max) {
  const bdev::Geometry& geometry = device.geometry();
  const bdev::Capabilities& can = device.capabilities();
  const uint32_t sectors_per_block = geometry.block_size_bytes / k_sector_bytes;
  const auto shift = static_cast<uint8_t>(std::countr_zero(geometry.block_size_bytes));
  ublk_params parameters{};
  parameters.len = sizeof(parameters);
  parameters.types = UBLK_PARAM_TYPE_BASIC;
  parameters.basic.attrs = (read_only ? UBLK_ATTR_READ_ONLY : 0) |
                           (can.volatile_write_cache ? UBLK_ATTR_VOLATILE_CACHE | UBLK_ATTR_FUA : 0);
  parameters.basic.logical_bs_shift = shift;
  parameters.basic.physical_bs_shift = shift;
  parameters.basic.io_opt_shift = shift;
  parameters.basic.io_min_shift = shift;
  parameters.basic.max_sectors = transfer_bytes_max / k_sector_bytes;
  parameters.basic.dev_sectors = geometry.blocks_count * sectors_per_block;
  if (!can.unmap && !can.write_zeroes) return parameters;
  // What the block layer can ask for at once: less than 4 GiB.
  const uint32_t sectors_max = UINT32_MAX / geometry.block_size_bytes * sectors_per_block;
  parameters.types |= UBLK_PARAM_TYPE_DISCARD;
  parameters.discard.discard_granularity = geometry.block_size_bytes;
  parameters.discard.max_discard_sectors = can.unmap ? sectors_max : 0;
  parameters.discard.max_discard_segments = 1;
  parameters.discard.max_write_zeroes_sectors = can.write_zeroes ? sectors_max : 0;
  return parameters;
}

UblkRequest decode_ublk_request(const ublksrv_io_desc& descriptor, const bdev::Bdev& device, bool read_only,
                                uint32_t transfer_bytes_max) {
  const bdev::Geometry& geometry = device.geometry();
  const bdev::Capabilities& can = device.capabilities();
  UblkRequest request;
  request.fua = (descriptor.op_flags & UBLK_IO_F_FUA) != 0;
  switch (ublksrv_get_op(&descriptor)) {
    case UBLK_IO_OP_READ: request.type = bdev::IoType::read; break;
    case UBLK_IO_OP_WRITE: request.type = bdev::IoType::write; break;
    case UBLK_IO_OP_FLUSH:
      request.type = bdev::IoType::flush;
      request.is_done = !can.volatile_write_cache;
      return request;
    case UBLK_IO_OP_DISCARD:
      if (!can.unmap) return refused(EOPNOTSUPP);
      request.type = bdev::IoType::unmap;
      break;
    case UBLK_IO_OP_WRITE_ZEROES:
      if (!can.write_zeroes) return refused(EOPNOTSUPP);
      request.type = bdev::IoType::write_zeroes;
      break;
    default: return refused(EOPNOTSUPP);
  }
  const bool moves_data = request.type == bdev::IoType::read || request.type == bdev::IoType::write;
  if (read_only && request.type != bdev::IoType::read) return refused(EROFS);
  const uint32_t sectors_per_block = geometry.block_size_bytes / k_sector_bytes;
  if (descriptor.nr_sectors == 0 || descriptor.nr_sectors % sectors_per_block != 0 ||
      descriptor.start_sector % sectors_per_block != 0 ||
      (moves_data && descriptor.nr_sectors > transfer_bytes_max / k_sector_bytes)) {
    return refused(EINVAL);
  }
  request.lba = descriptor.start_sector / sectors_per_block;
  request.blocks_count = descriptor.nr_sectors / sectors_per_block;
  if (!geometry.contains(request.lba, request.blocks_count)) return refused(ENOSPC);
  if (moves_data) request.data_bytes = descriptor.nr_sectors * k_sector_bytes;
  return request;
}

}  // namespace ballast::attach
