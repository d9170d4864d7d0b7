	.section .bss.total,"aw",@nobits
	.align 4
	.type	total, @object
	.size	total, 4
total:
	.zero	4

	.section .text.bump,"ax",@progbits
	.globl	bump
	.type	bump, @function
bump:
	.cfi_startproc
	addl	total(%rip), %edi
	movl	%edi, total(%rip)
	leal	4(%rdi), %eax
	ret
	.cfi_endproc
	.size	bump, .-bump

