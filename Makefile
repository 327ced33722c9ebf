# SPDX-License-Identifier: GPL-2.0
# See `make help'. The kernel's build system reads Kbuild, not this.

MAKEFLAGS += --no-print-directory

# The kernel to build for: the running one, else the newest with headers.
KDIR ?= $(or $(wildcard /lib/modules/$(shell uname -r)/build), \
	$(lastword $(shell printf '%s\n' /usr/src/linux-headers-*-amd64/ | sort -V)))

all: module espctl

module:
	@test -e "$(KDIR)/Makefile" || \
		{ echo "No kernel headers: apt-get install linux-headers-amd64, or name them by KDIR="; exit 1; }
	@test "$(realpath $(KDIR))" = "$(realpath /lib/modules/$(shell uname -r)/build)" || \
		echo "For another kernel than the running one: $(KDIR)"
	$(MAKE) -C $(KDIR) M=$(CURDIR) W=1 modules

espctl:
	$(MAKE) -C tools/espctl

demo check bench lint:
	@scripts/$@

generate:
	@scripts/generate

install: all
	$(MAKE) -C $(KDIR) M=$(CURDIR) INSTALL_MOD_PATH=$(DESTDIR) modules_install
	$(MAKE) -C tools/espctl install
	test -n "$(DESTDIR)" || depmod -a

clean:
	-test ! -e "$(KDIR)/Makefile" || $(MAKE) -C $(KDIR) M=$(CURDIR) clean
	$(MAKE) -C tools/espctl clean
	rm -rf build

help:
	@echo 'To see and to test (these install the packages that they miss):'
	@echo '  demo      - two sites talk through ESP, in a virtual machine'
	@echo '  check     - lint, unit tests and scenarios, in virtual machines'
	@echo '  bench     - instructions, and throughput on two CPUs, into build/bench.json'
	@echo '  lint      - the style and static checks alone'
	@echo 'To build and to use:'
	@echo '  all       - the module, for KDIR=, and espctl [default]'
	@echo '  module    - esp_mod.ko'
	@echo '  espctl    - tools/espctl/espctl'
	@echo '  install   - both, for the kernel of KDIR=, with man pages and a unit'
	@echo '  generate  - what is made from netlink_uapi/esp_mod.yaml'
	@echo '  clean     - remove what was built'

.PHONY: all module espctl demo check bench lint generate install clean help
