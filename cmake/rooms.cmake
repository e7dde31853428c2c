# How a room of native/ becomes a library, and how its tests and benches are linked.
# A room is its folder: every .cc directly in it is compiled. What it may depend on is said once, here in the
# DEPENDS of the call, and a test binary links only its room: a forbidden dependency does not link.

# Paths below the checkout are not part of what is looked up: another clone finds what this one compiled.
find_program(BALLAST_CCACHE ccache)
if(BALLAST_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${BALLAST_CCACHE})
endif()

find_package(Threads REQUIRED)
find_library(BALLAST_URING NAMES liburing.a uring REQUIRED)
find_library(BALLAST_ISAL NAMES isal REQUIRED)
# The archive, not the shared library: Node exports the symbols of an OpenSSL of its own, which would answer
# for ours. native/addon keeps those of the archive inside.
find_library(BALLAST_CRYPTO NAMES libcrypto.a REQUIRED)

add_library(ballast_options INTERFACE)
target_compile_features(ballast_options INTERFACE cxx_std_20)
target_include_directories(ballast_options INTERFACE ${CMAKE_SOURCE_DIR}/native)
target_compile_options(ballast_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wno-missing-field-initializers
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>
  -fno-omit-frame-pointer -fvisibility=hidden -fPIC)
if(BALLAST_TIDY)
  target_compile_options(ballast_options INTERFACE -Werror)
endif()
if(BALLAST_SANITIZER STREQUAL "address")
  # Objects of the rooms have no RTTI for the vptr check to look at.
  target_compile_options(ballast_options INTERFACE
    -fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=all)
  target_link_options(ballast_options INTERFACE -fsanitize=address,undefined)
elseif(BALLAST_SANITIZER STREQUAL "thread")
  # GCC's -Wtsan warns that fences are not modelled; we use none outside liburing.
  target_compile_options(ballast_options INTERFACE -fsanitize=thread -Wno-tsan)
  target_link_options(ballast_options INTERFACE -fsanitize=thread)
elseif(NOT BALLAST_SANITIZER STREQUAL "none")
  message(FATAL_ERROR "BALLAST_SANITIZER is none, address or thread, not ${BALLAST_SANITIZER}")
endif()

# ballast_room(NAME [DEPENDS other rooms] [LIBRARIES external libraries])
# Data-plane rooms build without exceptions and RTTI: what can fail returns a Result.
function(ballast_room name)
  cmake_parse_arguments(ROOM "" "" "DEPENDS;LIBRARIES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  add_library(ballast_${name} STATIC ${sources})
  target_link_libraries(ballast_${name} PUBLIC ballast_options ${ROOM_LIBRARIES})
  target_compile_options(ballast_${name} PRIVATE -fno-exceptions -fno-rtti)
  foreach(room ${ROOM_DEPENDS})
    target_link_libraries(ballast_${name} PUBLIC ballast_${room})
  endforeach()
endfunction()

# ballast_test(NAME LINKS rooms...): one GoogleTest binary from every *_test.cc of the current folder.
function(ballast_test name)
  cmake_parse_arguments(TEST "" "" "LINKS;LIBRARIES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*_test.cc)
  if(NOT sources)
    message(WARNING "no *_test.cc in ${CMAKE_CURRENT_SOURCE_DIR}")
    return()
  endif()
  add_executable(${name}_test ${sources})
  target_include_directories(${name}_test PRIVATE ${CMAKE_SOURCE_DIR}/test)
  target_link_libraries(${name}_test PRIVATE ballast_options ${TEST_LIBRARIES} GTest::gtest_main)
  foreach(room ${TEST_LINKS})
    target_link_libraries(${name}_test PRIVATE ballast_${room})
  endforeach()
  gtest_discover_tests(${name}_test DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 120)
endfunction()
