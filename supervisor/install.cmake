# Installs the supervisor, as the component `supervisor`.

# After a build of the library alone an installation of everything leaves the supervisor out, with a warning. An installation
# of the component `supervisor` is complete or fails.
install(CODE [[
  foreach(program "$<TARGET_FILE:handoff-supervisor>" "$<TARGET_FILE:handoff-unpack>" "$<TARGET_FILE:handoff-vault>")
    if(NOT EXISTS "${program}" AND CMAKE_INSTALL_COMPONENT)
      message(FATAL_ERROR "${program} was not built, and belongs to the component '${CMAKE_INSTALL_COMPONENT}'. Build handoff-supervisor first.")
    elseif(NOT EXISTS "${program}")
      message(WARNING "${program} was not built, and is not installed.")
    endif()
  endforeach()
]] COMPONENT supervisor)
install(TARGETS handoff-supervisor DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT supervisor OPTIONAL)
install(TARGETS handoff-unpack handoff-vault DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/handoff COMPONENT supervisor OPTIONAL)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/handoff.bash
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME handoff
        COMPONENT supervisor OPTIONAL)

# systemd units, which name the folder of the program: that is known only now, by `cmake --install --prefix`, say. systemd
# reads /usr/lib and /usr/local/lib.
set(HANDOFF_UNITS ${CMAKE_CURRENT_BINARY_DIR}/units)
install(CODE "
  set(HANDOFF_BINDIR \"${CMAKE_INSTALL_BINDIR}\")
  cmake_path(ABSOLUTE_PATH HANDOFF_BINDIR BASE_DIRECTORY \"\${CMAKE_INSTALL_PREFIX}\")
  foreach(unit handoff.service handoff@.service handoff-user.service)
    configure_file(\"${PROJECT_SOURCE_DIR}/contrib/systemd/\${unit}.in\" \"${HANDOFF_UNITS}/\${unit}\" @ONLY)
  endforeach()
" COMPONENT supervisor)
install(FILES ${HANDOFF_UNITS}/handoff.service ${HANDOFF_UNITS}/handoff@.service
        DESTINATION lib/systemd/system COMPONENT supervisor)
install(FILES ${HANDOFF_UNITS}/handoff-user.service DESTINATION lib/systemd/user RENAME handoff.service COMPONENT supervisor)
