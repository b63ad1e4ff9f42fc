# handoff_unity(TARGET [APART FILE...]): with HANDOFF_UNITY, the compiler reads many of the target's files as one.
#
# A build from nothing takes a third of the time then, and a build after a change takes longer. APART names the files that stay
# alone: names in their anonymous namespaces are others' names, too.
include_guard(GLOBAL)
set(HANDOFF_UNITY_DEFAULT OFF)
if(DEFINED ENV{HANDOFF_UNITY})
  set(HANDOFF_UNITY_DEFAULT $ENV{HANDOFF_UNITY})
endif()
option(HANDOFF_UNITY "Compile many files at once; the environment variable of that name is the default"
       ${HANDOFF_UNITY_DEFAULT})

function(handoff_unity target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" APART)
  if(NOT HANDOFF_UNITY)
    return()
  endif()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 12)
  # A program takes a whole object file of an archive. This way the linker may leave out what it does not call.
  target_compile_options(${target} PRIVATE -ffunction-sections -fdata-sections)
  set_property(SOURCE ${arg_APART} PROPERTY SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()
