# `cmake --install`: what goes beside the programs, whose own rules stand with their targets.
file(GLOB man_pages CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/man/*.1)
install(FILES ${man_pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES include/suture/patch.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/suture)
install(FILES completion/suture.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME suture)
install(FILES completion/_suture DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES completion/suture.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
