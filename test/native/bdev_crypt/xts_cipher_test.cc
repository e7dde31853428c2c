// The cipher alone: the standard's vectors, tweaks, zeroes, and blocks cut in segments.
#include "bdev/crypt/xts_cipher.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "native/bdev_crypt/keys.h"

namespace ballast::bdev::test {
namespace {

// IEEE 1619-2007, Annex B, "Test vectors": 10, 11 and 14, all of XTS-AES-256 with a data unit of 512 bytes
// that counts 00 01 ... ff 00 01 ... ff. The key is key_of_the_standard().
struct Vector {
  uint64_t data_unit;
  const char* ciphertext;
};
constexpr Vector k_vectors[] = {
    {0xff,
     "1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b5d31e276f8fe4a8d66b317f9ac683f44"
     "680a86ac35adfc3345befecb4bb188fd5776926c49a3095eb108fd1098baec70aaa66999a72a82f27d848b21d4a741b0"
     "c5cd4d5fff9dac89aeba122961d03a757123e9870f8acf1000020887891429ca2a3e7a7d7df7b10355165c8b9a6d0a7d"
     "e8b062c4500dc4cd120c0f7418dae3d0b5781c34803fa75421c790dfe1de1834f280d7667b327f6c8cd7557e12ac3a0f"
     "93ec05c52e0493ef31a12d3d9260f79a289d6a379bc70c50841473d1a8cc81ec583e9645e07b8d9670655ba5bbcfecc6"
     "dc3966380ad8fecb17b6ba02469a020a84e18e8f84252070c13e9f1f289be54fbc481457778f616015e1327a02b140f1"
     "505eb309326d68378f8374595c849d84f4c333ec4423885143cb47bd71c5edae9be69a2ffeceb1bec9de244fbe15992b"
     "11b77c040f12bd8f6a975a44a0f90c29a9abc3d4d893927284c58754cce294529f8614dcd2aba991925fedc4ae74ffac"
     "6e333b93eb4aff0479da9a410e4450e0dd7ae4c6e2910900575da401fc07059f645e8b7e9bfdef33943054ff84011493"
     "c27b3429eaedb4ed5376441a77ed43851ad77f16f541dfd269d50d6a5f14fb0aab1cbb4c1550be97f7ab4066193c4caa"
     "773dad38014bd2092fa755c824bb5e54c4f36ffda9fcea70b9c6e693e148c151"},
    {0xffff,
     "77a31251618a15e6b92d1d66dffe7b50b50bad552305ba0217a610688eff7e11e1d0225438e093242d6db274fde801d4"
     "cae06f2092c728b2478559df58e837c2469ee4a4fa794e4bbc7f39bc026e3cb72c33b0888f25b4acf56a2a9804f1ce6d"
     "3d6e1dc6ca181d4b546179d55544aa7760c40d06741539c7e3cd9d2f6650b2013fd0eeb8c2b8e3d8d240ccae2d4c9832"
     "0a7442e1c8d75a42d6e6cfa4c2eca1798d158c7aecdf82490f24bb9b38e108bcda12c3faf9a21141c3613b58367f922a"
     "aa26cd22f23d708dae699ad7cb40a8ad0b6e2784973dcb605684c08b8d6998c69aac049921871ebb65301a4619ca80ec"
     "b485a31d744223ce8ddc2394828d6a80470c092f5ba413c3378fa6054255c6f9df4495862bbb3287681f931b687c888a"
     "bf844dfc8fc28331e579928cd12bd2390ae123cf03818d14dedde5c0c24c8ab018bfca75ca096f2d531f3d1619e785f1"
     "ada437cab92e980558b3dce1474afb75bfedbf8ff54cb2618e0244c9ac0d3c66fb51598cd2db11f9be39791abe447c63"
     "094f7c453b7ff87cb5bb36b7c79efb0872d17058b83b15ab0866ad8a58656c5a7e20dbdf308b2461d97c0ec0024a2715"
     "055249cf3b478ddd4740de654f75ca686e0d7345c69ed50cdc2a8b332b1f8824108ac937eb050585608ee734097fc090"
     "54fbff89eeaeea791f4a7ab1f9868294a4f9e27b42af8100cb9d59cef9645803"},
    {0xffffffffff,
     "64497e5a831e4a932c09be3e5393376daa599548b816031d224bbf50a818ed2350eae7e96087c8a0db51ad290bd00c1a"
     "c1620857635bf246c176ab463be30b808da548081ac847b158e1264be25bb0910bbc92647108089415d45fab1b3d2604"
     "e8a8eff1ae4020cfa39936b66827b23f371b92200be90251e6d73c5f86de5fd4a950781933d79a28272b782a2ec313ef"
     "dfcc0628f43d744c2dc2ff3dcb66999b50c7ca895b0c64791eeaa5f29499fb1c026f84ce5b5c72ba1083cddb5ce45434"
     "631665c333b60b11593fb253c5179a2c8db813782a004856a1653011e93fb6d876c18366dd8683f53412c0c180f9c848"
     "592d593f8609ca736317d356e13e2bff3a9f59cd9aeb19cd482593d8c46128bb32423b37a9adfb482b99453fbe25a41b"
     "f6feb4aa0bef5ed24bf73c762978025482c13115e4015aac992e5613a3b5c2f685b84795cb6e9b2656d8c88157e52c42"
     "f978d8634c43d06fea928f2822e465aa6576e9bf419384506cc3ce3c54ac1a6f67dc66f3b30191e698380bc999b05abc"
     "e19dc0c6dcc2dd001ec535ba18deb2df1a101023108318c75dc98611a09dc48a0acdec676fabdf222f07e026f059b672"
     "b56e5cbc8e1d21bbd867dd927212054681d70ea737134cdfce93b6f82ae22423274e58a0821cc5502e2d0ab4585e94de"
     "6975be5e0b4efce51cd3e70c25a1fbbbd609d273ad5b0d59631c531f6a0a57b9"},
};

std::vector<uint8_t> counting(size_t bytes_count) {
  std::vector<uint8_t> bytes(bytes_count);
  for (size_t i = 0; i < bytes_count; ++i) bytes[i] = static_cast<uint8_t>(i);
  return bytes;
}

std::vector<Segment> cut(std::vector<uint8_t>& bytes, const std::vector<size_t>& sizes) {
  std::vector<Segment> segments;
  size_t at = 0;
  for (const size_t size : sizes) {
    segments.push_back({bytes.data() + at, size});
    at += size;
  }
  EXPECT_EQ(at, bytes.size());
  return segments;
}

std::unique_ptr<XtsCipher> cipher(uint32_t block_size_bytes, uint8_t salt = 0) {
  Result<CryptKey> key = CryptKey::create(salt == 0 ? key_of_the_standard() : key_bytes(salt));
  return XtsCipher::create(*key, block_size_bytes);
}

TEST(XtsCipher, gives_the_ciphertexts_of_the_standard_and_back) {
  const std::unique_ptr<XtsCipher> xts = cipher(512);
  ASSERT_NE(xts, nullptr);
  for (const Vector& vector : k_vectors) {
    std::vector<uint8_t> plain = counting(512), out(512);
    const Segment data{plain.data(), 512};
    xts->encrypt({&data, 1}, 0, out.data(), vector.data_unit, 1);
    EXPECT_EQ(out, bytes_of_hex(vector.ciphertext)) << vector.data_unit;
    const Segment encrypted{out.data(), 512};
    xts->decrypt({&encrypted, 1}, vector.data_unit, 1);
    EXPECT_EQ(out, plain) << vector.data_unit;
  }
}

TEST(XtsCipher, uses_all_64_bits_of_a_block_number) {
  const std::unique_ptr<XtsCipher> xts = cipher(512);
  std::vector<std::vector<uint8_t>> seen;
  std::vector<uint8_t> plain = counting(512);
  const Segment data{plain.data(), 512};
  for (uint32_t bit = 0; bit < 64; ++bit) {
    std::vector<uint8_t> out(512);
    xts->encrypt({&data, 1}, 0, out.data(), uint64_t{1} << bit, 1);
    for (const std::vector<uint8_t>& other : seen) ASSERT_NE(out, other) << bit;
    seen.push_back(out);
  }
}

TEST(XtsCipher, numbers_the_blocks_of_a_run_one_after_another) {
  const std::unique_ptr<XtsCipher> xts = cipher(512);
  std::vector<uint8_t> plain = counting(3 * 512), run(3 * 512), one(512);
  const Segment data{plain.data(), plain.size()};
  xts->encrypt({&data, 1}, 0, run.data(), 7, 3);
  for (uint64_t i = 0; i < 3; ++i) {
    xts->encrypt({&data, 1}, i * 512, one.data(), 7 + i, 1);
    EXPECT_EQ(0, std::memcmp(one.data(), run.data() + i * 512, 512)) << i;
  }
}

TEST(XtsCipher, takes_blocks_cut_anywhere_and_gives_the_same) {
  const std::unique_ptr<XtsCipher> xts = cipher(4096);
  std::vector<uint8_t> plain = counting(3 * 4096);
  plain[5000] = 0x77;  // blocks that differ
  const std::vector<uint8_t> before = plain;
  std::vector<uint8_t> whole(plain.size()), pieces(plain.size());
  const Segment one{plain.data(), plain.size()};
  xts->encrypt({&one, 1}, 0, whole.data(), 9, 3);
  const std::vector<size_t> sizes{1, 0, 4095 + 16, 2000, 4096 - 2016 + 4095, 0, 1};
  xts->encrypt(cut(plain, sizes), 0, pieces.data(), 9, 3);
  EXPECT_EQ(pieces, whole);
  EXPECT_EQ(plain, before);
  xts->decrypt(cut(pieces, sizes), 9, 3);
  EXPECT_EQ(pieces, plain);
}

TEST(XtsCipher, leaves_blocks_of_zeroes_as_they_are_both_ways) {
  const std::unique_ptr<XtsCipher> xts = cipher(4096);
  std::vector<uint8_t> plain(3 * 4096), out(3 * 4096, 0xee);
  plain[2 * 4096 - 1] = 1;  // the second block, in its last byte
  const Segment data{plain.data(), plain.size()};
  xts->encrypt({&data, 1}, 0, out.data(), 0, 3);
  const std::vector<uint8_t> zeroes(4096);
  EXPECT_EQ(0, std::memcmp(out.data(), zeroes.data(), 4096));
  EXPECT_NE(0, std::memcmp(out.data() + 4096, plain.data() + 4096, 4096));
  EXPECT_EQ(0, std::memcmp(out.data() + 2 * 4096, zeroes.data(), 4096));
  xts->decrypt(cut(out, {4000, 96, 8192}), 0, 3);
  EXPECT_EQ(out, plain);
}

TEST(XtsCipher, another_key_gives_another_ciphertext_and_noise_back) {
  const std::unique_ptr<XtsCipher> one = cipher(4096, 1), other = cipher(4096, 2);
  std::vector<uint8_t> plain = counting(4096), out(4096), out_of_other(4096);
  const Segment data{plain.data(), 4096};
  one->encrypt({&data, 1}, 0, out.data(), 3, 1);
  other->encrypt({&data, 1}, 0, out_of_other.data(), 3, 1);
  EXPECT_NE(out, out_of_other);
  const Segment encrypted{out.data(), 4096};
  other->decrypt({&encrypted, 1}, 3, 1);
  EXPECT_NE(out, plain);
}

}  // namespace
}  // namespace ballast::bdev::test
