# A function whose unlikely part was split off.
	.section .text.work,"ax",@progbits
	.globl	work
	.type	work, @function
work:
	.cfi_startproc
	testl	%edi, %edi
	js	work.cold
	leal	1(%rdi), %eax
	ret
	.cfi_endproc
	.size	work, .-work

	.section .text.unlikely.work,"ax",@progbits
	.type	work.cold, @function
work.cold:
	.cfi_startproc
	movl	$-1, %eax
	ret
	.cfi_endproc
	.size	work.cold, .-work.cold
