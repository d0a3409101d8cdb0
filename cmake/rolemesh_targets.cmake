# rolemesh_library(NAME dataplane_routing HDRS ... SRCS ... DEPS ... PRIVATE_DEPS ...)
#
# One target per folder; always link it by its alias rolemesh::NAME.
#   DEPS          libraries named in this folder's headers (become PUBLIC)
#   PRIVATE_DEPS  libraries used only by its .cc files
# Headers are included from the repository root: "dataplane/routing/x.h".
function(rolemesh_library)
  cmake_parse_arguments(ARG "" "NAME" "HDRS;SRCS;DEPS;PRIVATE_DEPS" ${ARGN})
  set(target rolemesh_${ARG_NAME})
  if(ARG_SRCS)
    add_library(${target} STATIC)
    set(scope PUBLIC)
    set(private_scope PRIVATE)
    target_sources(${target} PRIVATE ${ARG_SRCS})
    target_compile_options(${target} PRIVATE ${rolemesh_warnings})
    set_target_properties(${target} PROPERTIES LINKER_LANGUAGE CXX)
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
    set(private_scope INTERFACE)
  endif()
  add_library(rolemesh::${ARG_NAME} ALIAS ${target})
  target_sources(${target} ${scope} FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}
                 FILES ${ARG_HDRS})
  target_link_libraries(${target} ${scope} ${ARG_DEPS} ${private_scope} ${ARG_PRIVATE_DEPS})
endfunction()

set(rolemesh_warnings -Wall -Wextra -Werror -Wthread-safety -Wno-unused-command-line-argument)

# rolemesh_program(NAME rolemesh-edge SRCS main.cc DEPS ...)
function(rolemesh_program)
  cmake_parse_arguments(ARG "" "NAME" "SRCS;DEPS" ${ARGN})
  add_executable(${ARG_NAME} ${ARG_SRCS})
  target_compile_options(${ARG_NAME} PRIVATE ${rolemesh_warnings})
  target_include_directories(${ARG_NAME} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${ARG_NAME} PRIVATE ${ARG_DEPS})
endfunction()

# rolemesh_test(NAME route_table_test LABEL unit SRCS ... DEPS ...)
# Named LABEL.NAME in ctest.
function(rolemesh_test)
  cmake_parse_arguments(ARG "" "NAME;LABEL;TIMEOUT" "SRCS;DEPS" ${ARGN})
  add_executable(${ARG_NAME} ${ARG_SRCS})
  target_compile_options(${ARG_NAME} PRIVATE ${rolemesh_warnings})
  target_include_directories(${ARG_NAME} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${ARG_NAME} PRIVATE ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  set_target_properties(${ARG_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY
                        ${CMAKE_BINARY_DIR}/tests/bin)
  add_test(NAME ${ARG_LABEL}.${ARG_NAME} COMMAND ${ARG_NAME})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 60)
  endif()
  set_tests_properties(${ARG_LABEL}.${ARG_NAME} PROPERTIES LABELS ${ARG_LABEL}
                       TIMEOUT ${ARG_TIMEOUT})
endfunction()
