# Constants of one name and of equal contents: of which function each is does not matter.
	.section .rodata.digits.0,"a"
	.align	8
	.type	digits.0, @object
	.size	digits.0, 11
digits.0:
	.string	"0123456789"

	.section .rodata.digits.1,"a"
	.align	8
	.type	digits.1, @object
	.size	digits.1, 11
digits.1:
	.string	"0123456789"

	.section .rodata.digits.2,"a"
	.align	8
	.type	digits.2, @object
	.size	digits.2, 11
digits.2:
	.string	"0123456789"

	.section .text.foo,"ax",@progbits
	.globl	foo
	.type	foo, @function
foo:
	.cfi_startproc
	movzbl	digits.1+1(%rip), %eax
	addl	%eax, %edi
	movzbl	digits.2+2(%rip), %eax
	addl	%eax, %edi
	movzbl	digits.0+3(%rip), %eax
	addl	%eax, %edi
	movl	%edi, %eax
	ret
	.cfi_endproc
	.size	foo, .-foo
