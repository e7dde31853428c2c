// Identify. Row N22 of the bad-input table, and what hosts need to find in each structure.
#include <gtest/gtest.h>

#include <cstring>

#include "support/native/held_bdev.h"
#include "support/native/raw_controller.h"

namespace ballast::test {
namespace {

namespace status = nvme::status;
using nvme::Cns;

class Identify : public ::testing::Test {
 protected:
  Identify() : target(1) {
    EXPECT_TRUE(target.add_subsystem());
    EXPECT_TRUE(target.add_memory_namespace(1, 1000, 4096));
    EXPECT_TRUE(target.add_memory_namespace(7, 2000, 512));
  }
  std::string text(std::span<const char> field) { return {field.begin(), field.end()}; }
  TargetWorld target;
};
class IdentifyBadInput : public Identify {};

TEST_F(IdentifyBadInput, N22_an_unknown_structure_is_an_invalid_field) {
  RawController controller(target, 0);
  for (uint32_t cns = 0; cns < 256; ++cns) {
    const bool known = cns <= 3 || (cns >= 5 && cns <= 8) || cns == 0x10 || cns == 0x11 || cns == 0x1c;
    nvme::Command command = identify_command(static_cast<Cns>(cns), 1);
    if (cns == 0x1c) command.cdw10 |= 0xffffu << 16;  // CNTID FFFFh: of the controller that is asked
    const Answer answer = controller.execute(command);
    ASSERT_TRUE(answer.answered) << cns;
    EXPECT_TRUE(answer.status().is(known ? status::success : status::invalid_field)) << cns;
  }
}

TEST_F(IdentifyBadInput, N22_an_unknown_command_set_is_an_invalid_field) {
  RawController controller(target, 0);
  for (const Cns cns :
       {Cns::command_set_namespace, Cns::command_set_controller, Cns::command_set_active_namespaces}) {
    for (const uint32_t csi : {1u, 2u, 3u, 255u}) {
      nvme::Command command = identify_command(cns, 1);
      command.cdw11 = csi << 24;
      EXPECT_TRUE(controller.execute(command).status().is(status::invalid_field));
    }
  }
}

TEST_F(IdentifyBadInput, N22_another_controllers_command_sets_are_an_invalid_field) {
  RawController controller(target, 0);
  nvme::Command command = identify_command(Cns::command_sets);
  command.cdw10 |= (controller.id() + 1u) << 16;
  EXPECT_TRUE(controller.execute(command).status().is(status::invalid_field));
  command = identify_command(Cns::command_sets);
  command.cdw10 |= 0xffffu << 16;
  EXPECT_EQ(load<nvme::IdentifyCommandSets>(controller.execute(command).data).vectors[0], 1u);
}

TEST_F(IdentifyBadInput, N22_a_short_buffer_is_refused_and_a_longer_one_gets_4096_bytes) {
  RawController controller(target, 0);
  for (const uint32_t bytes : {0u, 4u, 1024u, 4092u, 4095u}) {
    const Answer answer = controller.execute(identify_command(Cns::controller, 0, bytes));
    EXPECT_TRUE(answer.status().is(status::data_sgl_length_invalid)) << bytes;
  }
  for (const uint32_t bytes : {4096u, 8192u, 128u * 1024}) {
    const Answer answer = controller.execute(identify_command(Cns::controller, 0, bytes));
    EXPECT_TRUE(answer.status().ok());
    EXPECT_EQ(answer.data.size(), 4096u);
  }
}

TEST_F(IdentifyBadInput, N22_namespace_identifiers_that_cannot_be_are_invalid_namespaces) {
  RawController controller(target, 0);
  for (const Cns cns : {Cns::name_space, Cns::namespace_descriptors, Cns::command_set_namespace,
                        Cns::independent_namespace, Cns::allocated_namespace}) {
    for (const uint32_t nsid : {0u, 1025u, 0xffff'ffffu}) {
      const Answer answer = controller.execute(identify_command(cns, nsid));
      EXPECT_TRUE(answer.status().is(status::invalid_namespace_or_format)) << nsid;
    }
  }
  EXPECT_TRUE(controller.execute(identify_command(Cns::namespace_descriptors, 2))
                  .status()
                  .is(status::invalid_namespace_or_format));
  for (const Cns cns : {Cns::active_namespaces, Cns::command_set_active_namespaces}) {
    for (const uint32_t nsid : {0xffff'fffeu, 0xffff'ffffu}) {
      EXPECT_TRUE(
          controller.execute(identify_command(cns, nsid)).status().is(status::invalid_namespace_or_format));
    }
  }
}

TEST_F(IdentifyBadInput, N22_a_discovery_controller_identifies_only_itself) {
  RawController::Options options;
  options.subsystem_nqn = nvme::k_discovery_nqn;
  RawController controller(target, 0, options);
  for (uint32_t cns = 0; cns < 256; ++cns) {
    const Answer answer = controller.execute(identify_command(static_cast<Cns>(cns), 1));
    EXPECT_TRUE(answer.status().is(cns == 1 ? status::success : status::invalid_field)) << cns;
  }
  const auto identify = controller.identify<nvme::IdentifyController>(Cns::controller);
  EXPECT_EQ(identify.controller_type, nvme::k_controller_type_discovery);
  EXPECT_EQ(identify.controller_id, controller.id());
  EXPECT_EQ(identify.oaes, nvme::k_event_discovery_change);
  EXPECT_STREQ(identify.subsystem_nqn, nvme::k_discovery_nqn);
  EXPECT_EQ(identify.nn, 0u);
}

TEST_F(Identify, controller_has_what_a_linux_host_checks) {
  RawController controller(target, 0);
  const auto identify = controller.identify<nvme::IdentifyController>(Cns::controller);
  EXPECT_EQ(text(identify.serial_number), "SERIAL              ");
  EXPECT_EQ(text(identify.model_number).substr(0, 8), "Ballast ");
  EXPECT_EQ(text(identify.firmware_revision), "0.1.0   ");
  EXPECT_EQ(identify.controller_id, controller.id());
  EXPECT_EQ(identify.controller_type, nvme::k_controller_type_io);
  EXPECT_EQ(identify.version, controller.get_property(nvme::property::vs));
  EXPECT_STREQ(identify.subsystem_nqn, k_subsystem);
  EXPECT_EQ(identify.mdts, 5);
  EXPECT_EQ(identify.kas, 10);
  EXPECT_EQ(identify.sqes, 0x66);
  EXPECT_EQ(identify.cqes, 0x44);
  EXPECT_EQ(identify.ioccsz, (64u + 8192u) / 16);
  EXPECT_EQ(identify.iorcsz, 1u);
  EXPECT_EQ(identify.icdoff, 0);
  EXPECT_EQ(identify.sgls & 3, 1u);
  EXPECT_EQ(identify.maxcmd, 1024);
  EXPECT_EQ(identify.nn, 1024u);
  EXPECT_LE(identify.mnan, identify.nn);
  EXPECT_GT(identify.mnan, 0u);
  // Asymmetric Namespace Access is whole or not at all.
  EXPECT_EQ(identify.cmic, 0x0b);
  EXPECT_NE(identify.anatt, 0);
  EXPECT_EQ(identify.anacap, 0x5f) << "every state, and a namespace stays in its group";
  EXPECT_EQ(identify.anagrpmax, 1024u);
  EXPECT_EQ(identify.nanagrpid, 1024u);
  EXPECT_EQ(identify.vwc & 1, 0) << "a write is durable, or as durable as it gets, when it is done";
  EXPECT_EQ(identify.fuses, 1);
}

TEST_F(Identify, controller_tells_of_a_volatile_write_cache) {
  ASSERT_TRUE(target.add_namespace(9, std::make_shared<HeldBdev>(16, true)));
  RawController controller(target, 0);
  const auto identify = controller.identify<nvme::IdentifyController>(Cns::controller);
  EXPECT_EQ(identify.vwc, 0x07);
}

TEST_F(Identify, namespace_tells_its_size_and_identity) {
  RawController controller(target, 0);
  const auto first = controller.identify<nvme::IdentifyNamespace>(Cns::name_space, 1);
  EXPECT_EQ(first.nsze, 1000u);
  EXPECT_EQ(first.ncap, 1000u);
  EXPECT_EQ(first.lba_formats[0].data_size_log2, 12);
  EXPECT_EQ(first.anagrpid, 1u);
  EXPECT_EQ(first.nmic, 1);
  EXPECT_EQ(std::memcmp(first.nguid, uuid_of(1).bytes.data(), 16), 0);
  const auto second = controller.identify<nvme::IdentifyNamespace>(Cns::name_space, 7);
  EXPECT_EQ(second.nsze, 2000u);
  EXPECT_EQ(second.lba_formats[0].data_size_log2, 9);
}

TEST_F(Identify, inactive_namespace_answers_zeroes) {
  RawController controller(target, 0);
  for (const Cns cns : {Cns::name_space, Cns::independent_namespace}) {
    const Answer answer = controller.execute(identify_command(cns, 2));
    EXPECT_TRUE(answer.status().ok());
    EXPECT_EQ(answer.data, Bytes(4096));
  }
}

TEST_F(Identify, read_only_namespace_says_so) {
  ASSERT_TRUE(target.add_namespace(3, std::make_shared<HeldBdev>(16), k_subsystem, true));
  RawController controller(target, 0);
  EXPECT_EQ(controller.identify<nvme::IdentifyNamespace>(Cns::name_space, 3).nsattr, 1);
  EXPECT_EQ(controller.identify<nvme::IdentifyIndependentNamespace>(Cns::independent_namespace, 3).nsattr, 1);
  EXPECT_EQ(controller.identify<nvme::IdentifyNamespace>(Cns::name_space, 1).nsattr, 0);
}

TEST_F(Identify, independent_namespace_is_ready) {
  RawController controller(target, 0);
  const auto identify =
      controller.identify<nvme::IdentifyIndependentNamespace>(Cns::independent_namespace, 1);
  EXPECT_EQ(identify.nstat, nvme::k_nstat_ready);
  EXPECT_EQ(identify.nmic, nvme::k_nmic_shared);
  EXPECT_EQ(identify.anagrpid, 1u);
}

TEST_F(Identify, active_list_is_ascending_and_starts_after_the_given_one) {
  RawController controller(target, 0);
  const auto all = controller.identify<nvme::NamespaceList>(Cns::active_namespaces, 0);
  EXPECT_EQ(all.nsids[0], 1u);
  EXPECT_EQ(all.nsids[1], 7u);
  EXPECT_EQ(all.nsids[2], 0u);
  const auto rest = controller.identify<nvme::NamespaceList>(Cns::active_namespaces, 1);
  EXPECT_EQ(rest.nsids[0], 7u);
  EXPECT_EQ(rest.nsids[1], 0u);
}

TEST_F(Identify, descriptors_are_nguid_uuid_and_command_set) {
  RawController controller(target, 0);
  const Answer answer = controller.execute(identify_command(Cns::namespace_descriptors, 7));
  const Uuid uuid = uuid_of(7);
  Bytes expected;
  for (const uint8_t type : {2, 3}) {
    append(expected, Bytes{type, 16, 0, 0});
    append(expected, uuid.bytes);
  }
  append(expected, Bytes{4, 1, 0, 0, 0});
  expected.resize(4096);
  EXPECT_EQ(answer.data, expected);
}

}  // namespace
}  // namespace ballast::test
