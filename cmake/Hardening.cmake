# Release builds, hardened as far as compiler, linker and architecture allow.
#
# The flags belong to the folder that calls handoff_harden() and to those below it. No target carries them on to its users,
# in this build or in the installed package.
include_guard(GLOBAL)
include(CheckCXXCompilerFlag)
include(CheckCXXSourceCompiles)
include(CheckLinkerFlag)
include(CheckPIESupported)

option(HANDOFF_HARDEN "Harden release builds" ${PROJECT_IS_TOP_LEVEL})

# FORTIFY needs optimized code, and the C library warns where the code is not.
function(handoff_optimized_configurations result)
  set(found)
  foreach(config Release RelWithDebInfo MinSizeRel)
    string(TOUPPER ${config} upper)
    if("${CMAKE_CXX_FLAGS_${upper}} " MATCHES "-O([123sz]|fast)? ")
      list(APPEND found ${config})
    endif()
  endforeach()
  set(${result} ${found} PARENT_SCOPE)
endfunction()

function(handoff_harden)
  # FORTIFY replaces calls that a sanitizer intercepts.
  if(NOT HANDOFF_HARDEN OR HANDOFF_SANITIZE OR "${CMAKE_CXX_FLAGS}" MATCHES "-fsanitize")
    return()
  endif()
  handoff_optimized_configurations(configs)
  if(NOT configs OR (CMAKE_BUILD_TYPE AND NOT CMAKE_BUILD_TYPE IN_LIST configs))
    return()
  endif()

  # Level 3 checks sizes that become known at run time. It needs glibc 2.34 and g++ 12; the others have level 2.
  set(CMAKE_REQUIRED_FLAGS "-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3")
  check_cxx_source_compiles("
    #include <cstdlib>
    #if __USE_FORTIFY_LEVEL < 3
    #error
    #endif
    int main() { return 0; }" HANDOFF_HAS_FORTIFY_3)
  unset(CMAKE_REQUIRED_FLAGS)
  # Some compilers define a level by default, and a second definition is a warning.
  set(compile -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$<IF:$<BOOL:${HANDOFF_HAS_FORTIFY_3}>,3,2> -D_GLIBCXX_ASSERTIONS)

  # The last two are for x86 and ARM: compilers for other machines refuse them.
  foreach(flag -fstack-protector-strong -fstack-clash-protection -fcf-protection=full -mbranch-protection=standard)
    string(MAKE_C_IDENTIFIER "HANDOFF_HAS${flag}" has)
    check_cxx_compiler_flag(${flag} ${has})
    if(${has})
      list(APPEND compile ${flag})
    endif()
  endforeach()
  set(link)
  foreach(flag -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
    string(MAKE_C_IDENTIFIER "HANDOFF_HAS${flag}" has)
    check_linker_flag(CXX ${flag} ${has})
    if(${has})
      list(APPEND link ${flag})
    endif()
  endforeach()
  list(JOIN configs , configs)
  add_compile_options("$<$<CONFIG:${configs}>:${compile}>")
  add_link_options("$<$<CONFIG:${configs}>:${link}>")

  # CMake links programs with -pie once this is called. It holds for the whole build, so only our own build calls it.
  if(PROJECT_IS_TOP_LEVEL)
    check_pie_supported(LANGUAGES CXX)
  endif()
endfunction()
