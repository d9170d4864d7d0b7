# Only the function is left: the others stay in the process, where nothing calls them.
	.section .text.entry,"ax",@progbits
	.globl	entry
	.type	entry, @function
entry:
	.cfi_startproc
	leal	2(%rdi), %eax
	ret
	.cfi_endproc
	.size	entry, .-entry
