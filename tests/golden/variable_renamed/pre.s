# A variable goes by another name after the fix.
	.section .bss.count,"aw",@nobits
	.align 4
	.type	count, @object
	.size	count, 4
count:
	.zero	4

	.section .text.bump,"ax",@progbits
	.globl	bump
	.type	bump, @function
bump:
	.cfi_startproc
	addl	count(%rip), %edi
	movl	%edi, count(%rip)
	leal	3(%rdi), %eax
	ret
	.cfi_endproc
	.size	bump, .-bump

