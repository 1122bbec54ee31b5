/** A kernel of four sources whose Makefiles say and leave behind what kbuild does, as far as copylab looks. */

/** Hands everything to a make in the build directory, as kbuild does. */
const makefile = `
.PHONY: build allnoconfig $(MAKECMDGOALS)
allnoconfig:
	@cp $(KCONFIG_ALLCONFIG) $(O)/.config
$(filter-out allnoconfig,$(MAKECMDGOALS)): build ;
build:
	@$(MAKE) --no-print-directory -C $(O) -f $(CURDIR)/build.mk srctree=$(CURDIR) $(MAKECMDGOALS)
`

const rules = `
include $(srctree)/lib/Makefile
.PHONY: FORCE
vmlinux: $(obj-y)
	@echo "  LD      $@"
	@ld -o $@ -e start $(obj-y)
lib/: $(filter lib/%,$(obj-y)) ;
$(obj-y): %.o: $(srctree)/%.c $(if $(W)$(C),FORCE)
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@gcc -Wall $(if $(W),-Wextra) -I$(srctree)/include -MMD -MF $(@D)/.$(@F).d -c $< -o $@
	$(if $(C),@echo "  CHECK   $<"; grep -Hn __bad $< | sed 's/\\(:[0-9]*\\):.*/\\1:1: warning: bad address space/')
	@{ echo "source_$@ := $<"; echo; echo 'deps_$@ := \\'; \\
	tr -s ' ' '\\n' < $(@D)/.$(@F).d | grep '\\.h$$' | sed 's/.*/  & \\\\/'; } > $(@D)/.$(@F).cmd
-include $(wildcard .*.d */.*.d)
`

export const toyKernel: Record<string, string> = {
  Makefile: makefile,
  'build.mk': rules,
  Kconfig: 'config A\n\tbool "a"\n',
  'include/dev.h':
    '#ifndef DEV_H\n#define DEV_H\nstruct dev {\n\tint size;\n};\nint use(struct dev *d);\n#endif\n',
  'include/other.h': 'int other(void);\n',
  'lib/Makefile': 'obj-y := main.o lib/use.o lib/dev.o lib/other.o\n',
  'main.c':
    '#include <dev.h>\n#include <other.h>\nvoid start(void)\n{\n\tstruct dev d = { 1 };\n\n\tuse(&d);\n\tother();\n}\n',
  'lib/use.c': '#include <dev.h>\nint use(struct dev *d)\n{\n\treturn d->size;\n}\n',
  // It complains of its own accord, before any patch.
  'lib/dev.c': '#include <dev.h>\nint unrelated(void)\n{\n\tint old;\n\n\treturn 0;\n}\n',
  'lib/other.c': '#include <other.h>\nint other(void)\n{\n\treturn 0;\n}\n',
  'scripts/checkpatch.pl': `
my $file = $ARGV[-1];
open(my $in, '<', $file);
my $found = 0;
my $ignored = grep(/--ignore=.*FIXME/, @ARGV);
while (<$in>) { if (!$ignored && /^\\+.*FIXME/) { print "main.c:3: WARNING:FIXME: mend it now\\n"; $found = 1; } }
exit($found);
`,
  'scripts/kernel-doc': `#!/bin/sh
shift
grep -Hn '^/\\*\\* bad' "$@" | sed 's/: *\\/\\*\\*.*/: warning: no description/' >&2
`,
}
