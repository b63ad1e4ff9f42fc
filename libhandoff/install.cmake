# Installs the library in two components: programs need `library` to run, and `development` to be built.
include(CMakePackageConfigHelpers)
set(HANDOFF_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/handoff)

install(TARGETS handoff EXPORT handoffTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library NAMELINK_COMPONENT development)
install(DIRECTORY include/handoff DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
install(EXPORT handoffTargets NAMESPACE handoff:: DESTINATION ${HANDOFF_CMAKE_DIR} COMPONENT development)

# A partial build or a package may lack the archive. So the archive has its own export, which handoffConfig.cmake includes
# where the archive is.
install(TARGETS handoff_static EXPORT handoffStaticTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development OPTIONAL)
# CMake does not strip archives, and debug information makes this one thirty times as large (76 MB, 2.5 MB without).
install(CODE "
  set(archive \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/$<TARGET_FILE_NAME:handoff_static>\")
  if(CMAKE_INSTALL_DO_STRIP AND EXISTS \"\${archive}\")
    execute_process(COMMAND \"${CMAKE_STRIP}\" --strip-debug \"\${archive}\" COMMAND_ERROR_IS_FATAL ANY)
  endif()
" COMPONENT development)
install(EXPORT handoffStaticTargets NAMESPACE handoff:: DESTINATION ${HANDOFF_CMAKE_DIR} COMPONENT development)

# A C compiler does not link the C++ library, which the archive needs.
set(HANDOFF_CXX_LIBRARIES ${CMAKE_CXX_IMPLICIT_LINK_LIBRARIES})
list(FILTER HANDOFF_CXX_LIBRARIES INCLUDE REGEX "^(stdc\\+\\+|c\\+\\+|m)$")
list(REMOVE_DUPLICATES HANDOFF_CXX_LIBRARIES)

configure_package_config_file(handoffConfig.cmake.in handoffConfig.cmake
  INSTALL_DESTINATION ${HANDOFF_CMAKE_DIR} PATH_VARS CMAKE_INSTALL_LIBDIR)
# Before 1.0 a minor version may break.
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(compatibility SameMinorVersion)
else()
  set(compatibility SameMajorVersion)
endif()
write_basic_package_version_file(handoffConfigVersion.cmake COMPATIBILITY ${compatibility})
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/handoffConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/handoffConfigVersion.cmake
        DESTINATION ${HANDOFF_CMAKE_DIR} COMPONENT development)

# The prefix is relative to the .pc file, so that the installed tree can be moved.
file(RELATIVE_PATH HANDOFF_PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
list(TRANSFORM HANDOFF_CXX_LIBRARIES PREPEND -l OUTPUT_VARIABLE HANDOFF_PC_LIBS_PRIVATE)
list(JOIN HANDOFF_PC_LIBS_PRIVATE " " HANDOFF_PC_LIBS_PRIVATE)
configure_file(handoff.pc.in handoff.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/handoff.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
