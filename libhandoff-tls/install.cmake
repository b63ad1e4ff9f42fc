# Two components beside libhandoff's: programs need `tls` to run, and `tls-development` to be built. Each is passed over where
# the library was not built.
set(HANDOFF_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/handoff)

install(TARGETS handoff_tls EXPORT handoffTlsTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT tls NAMELINK_COMPONENT tls-development OPTIONAL)
install(DIRECTORY include/handoff DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT tls-development)
# handoffConfig.cmake includes it where it is.
install(EXPORT handoffTlsTargets NAMESPACE handoff:: DESTINATION ${HANDOFF_CMAKE_DIR} COMPONENT tls-development)

file(RELATIVE_PATH HANDOFF_PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(handoff-tls.pc.in handoff-tls.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/handoff-tls.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT tls-development)
