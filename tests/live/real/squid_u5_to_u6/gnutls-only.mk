# The steps of debian/rules for the flavour that is shipped as /usr/sbin/squid; the other one, with OpenSSL, takes as long again.
include debian/rules

gnutls-only:
	dh_update_autotools_config
	[ -f debian/autoreconf.after ] || dh_autoreconf
	[ -f config.status ] || dh_auto_configure -- ${DEB_CONFIGURE_EXTRA_FLAGS} --with-gnutls
	dh_auto_build
