# A function that was defined beside a weak one. The weak one counts now, for callers in files that do not change, too.
	.hidden	moved
	.section .text.moved,"ax",@progbits
	.globl	moved
	.type	moved, @function
moved:
	.cfi_startproc
	leal	3(%rdi,%rdi,2), %eax
	leal	9(%rax,%rax,4), %eax
	ret
	.cfi_endproc
	.size	moved, .-moved

	.section .text.stays,"ax",@progbits
	.globl	stays
	.type	stays, @function
stays:
	.cfi_startproc
	leal	5(%rdi,%rdi,8), %eax
	leal	1(%rax,%rax), %eax
	ret
	.cfi_endproc
	.size	stays, .-stays

