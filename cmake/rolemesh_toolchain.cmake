# Compiler launcher, linker and hardening, for every target.
find_program(ROLEMESH_CCACHE ccache)
if(ROLEMESH_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER ${ROLEMESH_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${ROLEMESH_CCACHE})
endif()

find_program(ROLEMESH_MOLD mold)
find_program(ROLEMESH_LLD NAMES ld.lld-19 ld.lld)
if(ROLEMESH_MOLD)
  add_link_options(-fuse-ld=${ROLEMESH_MOLD})
elseif(ROLEMESH_LLD)
  add_link_options(-fuse-ld=${ROLEMESH_LLD})
endif()

# ROLEMESH_SANITIZE: "", "address" (with undefined) or "thread".
set(ROLEMESH_SANITIZE "" CACHE STRING "address, thread or empty")
if(ROLEMESH_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined
                      -fno-sanitize=function -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(ROLEMESH_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
else()
  # A shared machine's listener must not be the soft spot (security.md M13).
  add_compile_options(-fstack-protector-strong -fstack-clash-protection -fcf-protection
                      "$<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=2>")
  add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack)
  if(NOT ROLEMESH_FUZZ)
    add_link_options("$<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:-pie>")
  endif()
endif()
add_compile_definitions(_GLIBCXX_ASSERTIONS)
